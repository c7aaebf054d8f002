//! Requests over a real socket.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::super::{Action, ControlSocket, Done};
use super::*;
use crate::client::{self, ClientError};

/// Has always the same status; drains everything but `r9`, fails over a weight, and refuses the rest.
#[derive(Debug, Default)]
pub(crate) struct Fixed {
    asked: Mutex<Vec<(Caller, Request)>>,
}

#[async_trait]
impl Control for Fixed {
    async fn status(&self) -> Status {
        Status {
            schema: Status::SCHEMA,
            name: "lb-a".to_owned(),
            version: "0.1.0".to_owned(),
            pid: 1,
            uptime_ms: 2,
            routers: Vec::new(),
            sync_groups: Vec::new(),
            processes: Vec::new(),
            notifications: std::collections::BTreeMap::new(),
            site: None,
            trackers: Vec::new(),
        }
    }

    async fn act(&self, caller: Caller, request: Request) -> Result<Done, Refused> {
        self.asked.lock().unwrap().push((caller, request.clone()));
        match request.action {
            Action::Drain { service, server } if server != "r9" => Ok(Done {
                changes: vec![format!("server {server} of {service} drains")],
            }),
            Action::Weight { .. } => panic!("it failed"),
            Action::Drain { .. }
            | Action::Failover { .. }
            | Action::Maintenance { .. }
            | Action::Priority { .. }
            | Action::Ready { .. }
            | Action::Reload
            | Action::Restore { .. } => Err(Refused {
                error: "there is no server \"r9\" in web; it has r1 and r2".to_owned(),
            }),
        }
    }
}

struct Scene {
    directory: tempfile::TempDir,
    control: Arc<Fixed>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let control = Arc::new(Fixed::default());
        let socket = ControlSocket::bind(&directory.path().join("control.sock")).unwrap();
        let events = Router::new().route("/api/v1/events", get(async || "here"));
        let server = tokio::spawn(socket.serve(control.clone(), events));
        Self {
            directory,
            control,
            server,
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }

    /// The status of the answer, and its body as JSON.
    async fn send(&self, line: &str, body: &str) -> (u16, Value) {
        let head = format!(
            "{line} HTTP/1.1\r\nhost: director\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let (status, body) = exchange(&self.path(), &format!("{head}{body}")).await;
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }
}

async fn exchange(path: &Path, request: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(path).await.unwrap();
    // Who is refused early does not read all of it.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

fn drain(server: &str) -> Action {
    Action::Drain {
        service: "web".to_owned(),
        server: server.to_owned(),
    }
}

#[tokio::test]
async fn what_is_asked_arrives_with_who_asks() {
    let scene = Scene::new();
    let request = Request::new(drain("r1"))
        .because("kernel update")
        .lapsing_after(Duration::from_secs(1800));
    let done = client::act(&scene.path(), &request).await.unwrap();
    assert_eq!(done.changes, ["server r1 of web drains"]);
    let asked = scene.control.asked.lock().unwrap().pop().unwrap();
    assert_eq!(asked.1, request);
    assert_eq!(asked.0.uid, Some(nix::unistd::getuid().as_raw()));
    let pid = i32::try_from(std::process::id()).unwrap();
    assert_eq!(asked.0.pid, Some(pid));
}

#[tokio::test]
async fn a_refusal_is_told_in_its_words() {
    let scene = Scene::new();
    let refused = client::act(&scene.path(), &Request::new(drain("r9"))).await;
    let Err(ClientError::NotDone(refused)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(
        refused.error,
        "there is no server \"r9\" in web; it has r1 and r2"
    );
    let weight = Action::Weight {
        service: "web".to_owned(),
        server: "r1".to_owned(),
        weight: 1,
    };
    let failed = client::act(&scene.path(), &Request::new(weight)).await;
    assert!(matches!(failed, Err(ClientError::NotDone(_))), "{failed:?}");
}

#[tokio::test]
async fn answers_have_a_schema() {
    let scene = Scene::new();
    let post = "POST /api/v1/actions";
    let body = json!({ "action": "drain", "service": "web", "server": "r1" });
    let (status, answer) = scene.send(post, &body.to_string()).await;
    assert_eq!(status, 200);
    let changes = ["server r1 of web drains"];
    assert_eq!(answer, json!({ "schema": 1, "changes": changes }));
    let body = json!({ "action": "drain", "service": "web", "server": "r9" });
    let (status, answer) = scene.send(post, &body.to_string()).await;
    assert_eq!((status, &answer["schema"]), (409, &json!(1)));
    let (status, answer) = scene.send("GET /api/v1/status", "").await;
    assert_eq!((status, &answer["schema"]), (200, &json!(1)));
}

#[tokio::test]
async fn what_is_not_understood_changes_nothing() {
    let scene = Scene::new();
    let long = format!(
        "{{\"action\":\"reload\",\"reason\":\"{}\"}}",
        "a".repeat(501)
    );
    let cases = [
        ("", "EOF while parsing"),
        ("{\"action\":", "EOF while parsing"),
        ("[]", "invalid"),
        ("\"reload\"", "invalid type"),
        ("{}", "missing field `action`"),
        ("{\"action\":\"explode\"}", "unknown variant `explode`"),
        (
            "{\"action\":\"drain\",\"service\":\"web\"}",
            "missing field `server`",
        ),
        (
            "{\"action\":\"weight\",\"service\":\"web\",\"server\":\"r1\",\"weight\":-1}",
            "invalid value",
        ),
        (
            "{\"action\":\"priority\",\"router\":\"web\",\"priority\":256}",
            "invalid value",
        ),
        (
            "{\"action\":\"reload\",\"for_sm\":5}",
            "`for_sm` is not a field of this action; did you mean `for_ms`?",
        ),
        (
            "{\"action\":\"reload\",\"reason\":\"a\\nb\"}",
            "a single line",
        ),
        (long.as_str(), "longer than 500 characters"),
    ];
    for (body, error) in cases {
        let (status, answer) = scene.send("POST /api/v1/actions", body).await;
        assert_eq!(status, 400, "{body}");
        let told = answer["error"].as_str().unwrap();
        assert!(told.contains(error), "{body}: {told}");
    }
    assert!(scene.control.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn bodies_methods_and_paths_are_refused_as_json() {
    let scene = Scene::new();
    let huge = "x".repeat(LARGEST_REQUEST + 1);
    let cases = [
        ("POST /api/v1/actions", huge.as_str(), 413),
        ("GET /api/v1/actions", "", 405),
        ("DELETE /api/v1/actions", "", 405),
        ("POST /api/v1/status", "{}", 405),
        ("POST /api/v1/reload", "{}", 404),
        ("GET /", "", 404),
    ];
    for (line, body, expected) in cases {
        let (status, answer) = scene.send(line, body).await;
        assert_eq!(status, expected, "{line}");
        assert_eq!(answer["schema"], 1, "{line}");
        assert!(answer["error"].is_string(), "{line}: {answer}");
    }
    assert!(scene.control.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn garbage_and_silence_do_not_disturb_the_others() {
    let scene = Scene::new();
    let silent = UnixStream::connect(scene.path()).await.unwrap();
    let (status, _) = exchange(&scene.path(), "\u{1}\u{2}garbage\r\n\r\n").await;
    assert_eq!(status, 400);
    client::status(&scene.path()).await.unwrap();
    drop(silent);
}

#[tokio::test]
async fn the_stream_of_events_has_its_place() {
    let scene = Scene::new();
    let request = "GET /api/v1/events HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let (status, body) = exchange(&scene.path(), request).await;
    assert_eq!((status, body.as_str()), (200, "here"));
}
