//! What the control socket answers to whom.

#[cfg(test)]
pub(super) mod tests;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::IncomingStream;
use axum::{Json, Router};
use serde_json::Value;
use thiserror::Error;
use tokio::net::UnixListener;
use tracing::info;

use super::action::{Answer, Caller, Control, Refused, Request};
use crate::config::closest;
use crate::status::Status;

/// More than any request has.
const LARGEST_REQUEST: usize = 16 << 10;

/// More characters than a reason needs.
const LONGEST_REASON: usize = 500;

/// Why a request cannot be understood.
#[derive(Debug, Error)]
enum BadRequest {
    #[error("{0}")]
    Body(#[from] BytesRejection),
    #[error("the request is not what it should be: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the reason is longer than {LONGEST_REASON} characters, or not a single line of text")]
    Reason,
    #[error("`{name}` is not a field of this action{hint}")]
    UnknownField { name: String, hint: String },
}

impl Connected<IncomingStream<'_, UnixListener>> for Caller {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        // SO_PEERCRED of unix(7): whoever opened the connection.
        match stream.io().peer_cred() {
            Ok(peer) => Self {
                uid: Some(peer.uid()),
                pid: peer.pid(),
            },
            Err(_) => Self {
                uid: None,
                pid: None,
            },
        }
    }
}

pub(super) fn routes(control: Arc<dyn Control>, events: Router) -> Router {
    Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/actions", post(act))
        .with_state(control)
        .merge(events)
        .method_not_allowed_fallback(async || {
            let cure = "this method is not allowed here: GET what is read, POST to /api/v1/actions";
            refuse(StatusCode::METHOD_NOT_ALLOWED, cure)
        })
        .fallback(async || {
            let cure =
                "there is nothing here: see /api/v1/status, /api/v1/actions and /api/v1/events";
            refuse(StatusCode::NOT_FOUND, cure)
        })
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
}

async fn status(State(control): State<Arc<dyn Control>>) -> Json<Status> {
    Json(control.status().await)
}

async fn act(
    State(control): State<Arc<dyn Control>>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let request = match body.map_err(BadRequest::from).and_then(|body| read(&body)) {
        Ok(request) => request,
        Err(error) => {
            let status = match &error {
                BadRequest::Body(rejection) => rejection.status(),
                BadRequest::Json(_) | BadRequest::Reason | BadRequest::UnknownField { .. } => {
                    StatusCode::BAD_REQUEST
                }
            };
            return refuse(status, &error.to_string());
        }
    };
    let asked = request.action.to_string();
    // A caller who hangs up must not leave it half done.
    let acting = tokio::spawn(async move { control.act(caller, request).await });
    match acting.await {
        Ok(Ok(done)) => Json(Answer::new(&done)).into_response(),
        Ok(Err(refused)) => {
            info!(
                uid = caller.uid,
                pid = caller.pid,
                "refused `{}`: {}",
                asked.escape_debug(),
                refused.error
            );
            (StatusCode::CONFLICT, Json(Answer::new(&refused))).into_response()
        }
        Err(_) => refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the director failed over this request: see its log",
        ),
    }
}

fn refuse(status: StatusCode, error: &str) -> Response {
    let refused = Refused {
        error: error.to_owned(),
    };
    (status, Json(Answer::new(&refused))).into_response()
}

/// Nothing is ignored: what was meant by a misspelt `for_ms` would never lapse.
fn read(body: &[u8]) -> Result<Request, BadRequest> {
    let given: Value = serde_json::from_slice(body)?;
    let request: Request = serde::Deserialize::deserialize(&given)?;
    let known = serde_json::to_value(&request)?;
    if let (Value::Object(given), Value::Object(known)) = (&given, &known) {
        let unknown = given.keys().find(|name| !known.contains_key(*name));
        if let Some(name) = unknown {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            let hint = closest(name, &names).map(|near| format!("; did you mean `{near}`?"));
            return Err(BadRequest::UnknownField {
                name: name.escape_debug().to_string(),
                hint: hint.unwrap_or_default(),
            });
        }
    }
    if let Some(reason) = &request.reason
        && (reason.chars().count() > LONGEST_REASON || reason.chars().any(char::is_control))
    {
        return Err(BadRequest::Reason);
    }
    Ok(request)
}
