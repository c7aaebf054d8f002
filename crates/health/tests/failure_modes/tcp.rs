//! The check by TCP.

use std::time::Duration;

use locum_health::tcp::{Pattern, Step, TcpCheck, TcpConfig};
use locum_health::{CheckError, HealthCheck as _, Pass};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::server::{End, says, serve, serve_on};
use crate::{assert_fails, tcp};

fn steps(steps: impl Into<Vec<Step>>) -> TcpConfig {
    let mut config = TcpConfig::default();
    config.steps = steps.into();
    config
}

fn expect(pattern: Pattern) -> TcpConfig {
    steps([Step::Expect(pattern)])
}

#[tokio::test]
async fn a_listener_is_enough_without_steps() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let target = serve_on(address, async |_| ()).await;
        assert_eq!(
            tcp(TcpConfig::default(), target).await.unwrap(),
            Pass::new()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_waited_for() {
    // The kernel accepts; nobody else does.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    for config in [
        TcpConfig::ftp(),
        TcpConfig::smtp("here"),
        TcpConfig::telnet(),
    ] {
        let check = TcpCheck::new(config).unwrap();
        let probe = timeout(Duration::from_secs(5), check.check(target)).await;
        assert!(probe.is_err(), "{probe:?}");
    }
}

#[tokio::test]
async fn what_is_expected_may_come_after_other_things() {
    let target = says("noise +OK v12 ready", End::Hold).await;
    let config = steps([
        Step::Expect(Pattern::Contains(b"+OK".to_vec())),
        Step::Expect(Pattern::Regex("v[0-9]+ ".to_owned())),
        Step::Expect(Pattern::Prefix(b"ready".to_vec())),
    ]);
    assert_eq!(tcp(config, target).await.unwrap(), Pass::new());
}

#[tokio::test]
async fn another_answer_is_told() {
    let target = says("-ERR go away\r\n", End::Hold).await;
    assert_fails!(
        tcp(expect(Pattern::Prefix(b"+OK".to_vec())), target).await,
        CheckError::Unexpected(text) if &*text == "-ERR go away\r\n"
    );
    let target = says("-ERR go away\r\n", End::Close).await;
    assert_fails!(
        tcp(expect(Pattern::Contains(b"+OK".to_vec())), target).await,
        CheckError::Unexpected(text) if &*text == "-ERR go away\r\n"
    );
}

#[tokio::test]
async fn endless_chatter_is_given_up() {
    let target =
        serve(|mut stream| async move { while stream.write_all(&[b'x'; 1000]).await.is_ok() {} })
            .await;
    assert_fails!(
        tcp(expect(Pattern::Contains(b"+OK".to_vec())), target).await,
        CheckError::Unexpected(text) if text.len() == 80
    );
}

#[tokio::test]
async fn a_connection_closed_or_reset_is_told_apart() {
    let target = says("", End::Close).await;
    assert_fails!(tcp(TcpConfig::ftp(), target).await, CheckError::Closed);
    let target = says("220 rea", End::Reset).await;
    assert_fails!(tcp(TcpConfig::ftp(), target).await, CheckError::Reset);
}

#[tokio::test]
async fn an_ftp_server_greets_and_takes_leave() {
    let target = converses("220-Welcome\r\n  to all\r\n220 ready\r\n", "221 bye\r\n").await;
    assert_eq!(tcp(TcpConfig::ftp(), target).await.unwrap(), Pass::new());
    let target = says("421 too many users\r\n", End::Close).await;
    assert_fails!(tcp(TcpConfig::ftp(), target).await, CheckError::Status(421));
    let target = says("SSH-2.0-OpenSSH_9.2\r\n", End::Hold).await;
    assert_fails!(
        tcp(TcpConfig::ftp(), target).await,
        CheckError::Unexpected(_)
    );
}

#[tokio::test]
async fn an_smtp_server_greets_and_takes_leave() {
    let target = converses("220 mail.test ESMTP\r\n", "221 2.0.0 bye\r\n").await;
    assert_eq!(
        tcp(TcpConfig::smtp("lb.test"), target).await.unwrap(),
        Pass::new()
    );
    let target = converses("220 mail.test ESMTP\r\n", "421 4.3.0 no\r\n").await;
    assert_fails!(
        tcp(TcpConfig::smtp("lb.test"), target).await,
        CheckError::Status(421)
    );
    let target = converses("220 mail.test ESMTP\r\n", "221 bye\r\n").await;
    assert_fails!(
        tcp(TcpConfig::smtp("stranger"), target).await,
        CheckError::Status(501)
    );
}

#[tokio::test]
async fn a_telnet_server_says_anything() {
    // Which begins with IAC DO TERMINAL-TYPE (RFC 1091), or with the prompt.
    for greeting in [&[255, 253, 24][..], b"login: "] {
        let target = says(greeting, End::Hold).await;
        assert_eq!(tcp(TcpConfig::telnet(), target).await.unwrap(), Pass::new());
    }
    let target = says("", End::Close).await;
    assert_fails!(tcp(TcpConfig::telnet(), target).await, CheckError::Closed);
}

/// Greets, takes `EHLO` of one machine, and answers `QUIT`.
async fn converses(greeting: &'static str, leave: &'static str) -> std::net::SocketAddr {
    serve(move |stream| async move {
        let mut stream = BufReader::new(stream);
        let mut answer = greeting;
        loop {
            stream.write_all(answer.as_bytes()).await.unwrap();
            let mut line = String::new();
            if stream.read_line(&mut line).await.is_err() {
                break;
            }
            answer = match line.as_str() {
                "EHLO lb.test\r\n" => "250-mail.test\r\n250-PIPELINING\r\n250 HELP\r\n",
                "QUIT\r\n" => leave,
                "" => break,
                _ => "501 5.5.4 syntax\r\n",
            };
        }
    })
    .await
}
