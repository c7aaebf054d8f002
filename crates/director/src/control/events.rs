//! `GET /api/v1/events`: what has happened, and what happens.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use futures_util::stream;
use serde::Serialize;
use serde_json::json;

use crate::events::{Item, Lost, Stream};

/// A line goes to whoever follows at least so often, so that both ends notice when the other has gone.
const ALIVE: Duration = Duration::from_secs(15);

/// The route for `stream`.
///
/// Server-sent events for who accepts `text/event-stream`: everything behind `Last-Event-ID`, or behind `since` in the
/// query, and on and on; the number of an event is its `id`, and what is not kept any more is an event `lost`. For others
/// what is kept now: an array for who accepts `application/json`, or else one object a line.
pub(crate) fn routes(stream: Stream) -> Router {
    Router::new()
        .route("/api/v1/events", get(events))
        .with_state(stream)
}

/// A line of JSON for an item.
#[derive(Serialize)]
struct LostLine {
    lost: Lost,
}

async fn events(State(stream): State<Stream>, headers: HeaderMap, uri: Uri) -> Response {
    let accepts = |kind| {
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        accept.is_some_and(|accept| accept.contains(kind))
    };
    let Ok(since) = since(&uri) else {
        let error = json!({ "error": "since must be the number of an event, as in ?since=12" });
        return (StatusCode::BAD_REQUEST, Json(error)).into_response();
    };
    if accepts("text/event-stream") {
        let last = headers.get("last-event-id");
        let last = last.and_then(|value| value.to_str().ok()?.parse().ok());
        return follow(&stream, last.unwrap_or(since)).into_response();
    }
    let mut subscription = stream.subscribe(since);
    let items = std::iter::from_fn(|| subscription.try_next());
    let lines: Vec<String> = items.filter_map(|item| line(&item)).collect();
    if accepts("application/json") {
        let array = format!("[{}]", lines.join(","));
        return ([(CONTENT_TYPE, "application/json")], array).into_response();
    }
    let lines: String = lines
        .into_iter()
        .flat_map(|line| [line, "\n".to_owned()])
        .collect();
    ([(CONTENT_TYPE, "application/x-ndjson")], lines).into_response()
}

fn follow(
    stream: &Stream,
    since: u64,
) -> Sse<impl stream::Stream<Item = Result<Message, Infallible>> + use<>> {
    let messages = stream::unfold(stream.subscribe(since), |mut subscription| async {
        let item = subscription.next().await;
        Some((Ok(message(&item)), subscription))
    });
    Sse::new(messages).keep_alive(KeepAlive::new().interval(ALIVE))
}

fn message(item: &Item) -> Message {
    let data = line(item).unwrap_or_default();
    match item {
        Item::Event(event) => Message::default().id(event.seq.to_string()).data(data),
        Item::Lost(lost) => Message::default()
            .id(lost.to.to_string())
            .event("lost")
            .data(data),
    }
}

/// An item as JSON. That of events is never refused by the library.
fn line(item: &Item) -> Option<String> {
    match item {
        Item::Event(event) => serde_json::to_string(&**event).ok(),
        Item::Lost(lost) => serde_json::to_string(&LostLine { lost: *lost }).ok(),
    }
}

/// The number in `?since=12`; 0 without.
fn since(uri: &Uri) -> Result<u64, std::num::ParseIntError> {
    let pairs = uri.query().unwrap_or_default().split('&');
    let mut values = pairs.filter_map(|pair| pair.strip_prefix("since="));
    values.next().map_or(Ok(0), str::parse)
}
