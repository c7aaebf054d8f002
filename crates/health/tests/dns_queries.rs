//! The check by DNS, against servers that do everything wrong.

#![cfg(feature = "dns")]
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use locum_health::dns::{Answer, DnsCheck, DnsConfig, DnsConfigError, Record, Transport};
use locum_health::{CheckError, HealthCheck, Pass};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// Far more than any answer takes.
const LONG: Duration = Duration::from_secs(10);

/// What a server sends for a query, in order.
type Script = fn(&[u8]) -> Vec<Vec<u8>>;

/// The query as an answer without records, with these flags and this response code.
fn answer(query: &[u8], flags: u8, code: u8) -> Vec<u8> {
    let mut answer = query.to_vec();
    answer[2] = 0x80 | flags;
    answer[3] = code;
    answer
}

/// As [`answer`], with an address.
fn address(query: &[u8]) -> Vec<u8> {
    let mut answer = answer(query, 0, 0);
    answer[7] = 1;
    answer.extend(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01");
    answer
}

fn config(transport: Transport) -> DnsConfig {
    let mut config = DnsConfig::default();
    config.transport = transport;
    config.name = "www.example.org".to_owned();
    config.record = Record::A;
    config
}

/// Checks, by both transports, a server that does as `script` says once, and gives the result to `judge`.
async fn both(
    change: impl Fn(&mut DnsConfig),
    script: Script,
    judge: impl Fn(Result<Pass, CheckError>),
) {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut config = config(transport);
        change(&mut config);
        judge(against(config, script).await);
    }
}

async fn against(config: DnsConfig, script: Script) -> Result<Pass, CheckError> {
    let transport = config.transport;
    let check = DnsCheck::new(config).unwrap();
    let result = async {
        match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                let probe = check.check(socket.local_addr().unwrap());
                tokio::join!(probe, over_udp(&socket, script)).0
            }
            Transport::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let probe = check.check(listener.local_addr().unwrap());
                tokio::join!(probe, over_tcp(&listener, script)).0
            }
        }
    };
    tokio::time::timeout(LONG, result).await.unwrap()
}

async fn over_udp(socket: &UdpSocket, script: Script) {
    let mut query = [0; 512];
    let (length, client) = socket.recv_from(&mut query).await.unwrap();
    for message in script(&query[..length]) {
        socket.send_to(&message, client).await.unwrap();
    }
}

/// Closes the connection at the end.
async fn over_tcp(listener: &TcpListener, script: Script) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let length = stream.read_u16().await.unwrap();
    let mut query = vec![0; length.into()];
    stream.read_exact(&mut query).await.unwrap();
    for message in script(&query) {
        stream
            .write_u16(message.len().try_into().unwrap())
            .await
            .unwrap();
        stream.write_all(&message).await.unwrap();
    }
}

fn passes(result: Result<Pass, CheckError>) {
    assert_eq!(result.unwrap(), Pass::new());
}

#[tokio::test]
async fn an_answer_passes() {
    both(|_| {}, |query| vec![answer(query, 0, 0)], passes).await;
}

#[tokio::test]
async fn another_code_fails_unless_it_is_among_those_that_pass() {
    let script: Script = |query| vec![answer(query, 0, 3)];
    let fails = |result| assert!(matches!(result, Err(CheckError::Status(3))), "{result:?}");
    both(|_| {}, script, fails).await;
    both(|config| config.codes = vec![0, 3], script, passes).await;
}

#[tokio::test]
async fn a_server_that_repeats_no_question_can_refuse_it() {
    let fails = |result| assert!(matches!(result, Err(CheckError::Status(5))), "{result:?}");
    let script: Script = |query| {
        let mut header = answer(query, 0, 5)[..12].to_vec();
        header[5] = 0;
        vec![header]
    };
    both(|_| {}, script, fails).await;
}

#[tokio::test]
async fn a_record_can_be_required() {
    let required = |config: &mut DnsConfig| config.answer = Answer::Required;
    both(required, |query| vec![address(query)], passes).await;
    let fails = |result| {
        assert!(
            matches!(result, Err(CheckError::Unexpected(_))),
            "{result:?}"
        );
    };
    both(required, |query| vec![answer(query, 0, 0)], fails).await;
    let malformed = |result| {
        assert!(
            matches!(result, Err(CheckError::Malformed(_))),
            "{result:?}"
        );
    };
    let cut: Script = |query| vec![address(query)[..query.len() + 5].to_vec()];
    both(required, cut, malformed).await;
    // Nobody looks for it.
    both(|_| {}, cut, passes).await;
}

#[tokio::test]
async fn an_answer_that_was_cut_to_fit_is_one() {
    let mut config = config(Transport::Udp);
    config.answer = Answer::Required;
    passes(against(config, |query| vec![answer(query, 0x02, 0)]).await);
}

/// What is not the answer: another identifier, no answer at all, another question, and bytes.
const STRAYS: Script = |query| {
    let mut other = answer(query, 0, 2);
    other[0] ^= 1;
    let mut another = answer(query, 0, 2);
    another[13] ^= 1;
    vec![other, query.to_vec(), another, b"garbage".to_vec(), vec![]]
};

#[tokio::test]
async fn datagrams_of_others_are_waited_out() {
    let result = against(config(Transport::Udp), |query| {
        let mut messages = STRAYS(query);
        messages.push(answer(query, 0, 0));
        messages
    });
    passes(result.await);
}

#[tokio::test]
async fn a_connection_has_no_strays() {
    for number in 0..5 {
        let script: [Script; 5] = [
            |query| vec![STRAYS(query).remove(0)],
            |query| vec![STRAYS(query).remove(1)],
            |query| vec![STRAYS(query).remove(2)],
            |query| vec![STRAYS(query).remove(3)],
            |query| vec![STRAYS(query).remove(4)],
        ];
        let result = against(config(Transport::Tcp), script[number]).await;
        assert!(
            matches!(result, Err(CheckError::Malformed(_))),
            "{number}: {result:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_has_not_answered() {
    let result = against(config(Transport::Tcp), |_| Vec::new()).await;
    assert!(matches!(result, Err(CheckError::Closed)), "{result:?}");
}

#[tokio::test]
async fn strays_alone_are_no_answer() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let check = DnsCheck::new(config(Transport::Udp)).unwrap();
    let mut probe = pin!(check.check(socket.local_addr().unwrap()));
    let mut strays = pin!(over_udp(&socket, STRAYS));
    tokio::select! {
        result = &mut probe => unreachable!("{result:?}"),
        () = &mut strays => {}
    }
    // On the loopback they are there by now.
    for _ in 0..100 {
        tokio::select! {
            biased;
            result = &mut probe => unreachable!("{result:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
}

#[tokio::test]
async fn a_port_without_a_server_refuses() {
    for transport in [Transport::Udp, Transport::Tcp] {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let target: SocketAddr = match transport {
                Transport::Udp => {
                    let socket = UdpSocket::bind(address).await.unwrap();
                    socket.local_addr().unwrap()
                }
                Transport::Tcp => {
                    let listener = TcpListener::bind(address).await.unwrap();
                    listener.local_addr().unwrap()
                }
            };
            let check = DnsCheck::new(config(transport)).unwrap();
            let result = tokio::time::timeout(LONG, check.check(target))
                .await
                .unwrap();
            assert!(
                matches!(result, Err(CheckError::Refused)),
                "{transport:?} {address}: {result:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_query_leaves_from_where_it_should() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut config = config(Transport::Udp);
    config.socket.source = Some([127, 0, 0, 9].into());
    let check = DnsCheck::new(config.clone()).unwrap();
    let server = async {
        let mut query = [0; 512];
        let (length, client) = socket.recv_from(&mut query).await.unwrap();
        let answer = answer(&query[..length], 0, 0);
        socket.send_to(&answer, client).await.unwrap();
        client.ip()
    };
    let (result, client) = tokio::join!(check.check(socket.local_addr().unwrap()), server);
    passes(result);
    assert_eq!(Some(client), config.socket.source);

    config.socket.source = Some([203, 0, 113, 9].into());
    let check = DnsCheck::new(config).unwrap();
    let failed = check.check(socket.local_addr().unwrap()).await.unwrap_err();
    assert!(failed.is_local(), "{failed:?}");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let refused = |change: fn(&mut DnsConfig)| {
        let mut config = DnsConfig::default();
        change(&mut config);
        DnsCheck::new(config).unwrap_err()
    };
    assert_eq!(
        refused(|config| config.codes = Vec::new()),
        DnsConfigError::NoCodes
    );
    assert_eq!(
        refused(|config| config.codes = vec![0, 16]),
        DnsConfigError::Code(16)
    );
    assert_eq!(
        refused(|config| config.name = "a..b".to_owned()),
        DnsConfigError::EmptyLabel
    );
    DnsCheck::new(DnsConfig::default()).unwrap();
}
