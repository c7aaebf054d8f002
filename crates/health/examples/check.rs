//! Checks in a program of one's own: whether Redis servers answer, asked every two seconds.
//!
//! ```text
//! cargo run -p locum-health --example check -- 192.0.2.21:6379 192.0.2.22:6379
//! ```
#![expect(clippy::print_stdout, reason = "what it has to say")]

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use locum_health::{
    CheckError, HealthCheck, Pass, Probe, Runner, RunnerLimits, Subscriber, Subscription, Timing,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Debug)]
struct Redis;

#[async_trait]
impl HealthCheck for Redis {
    async fn check(&self, target: SocketAddr) -> Result<Pass, CheckError> {
        let mut stream = TcpStream::connect(target).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).await?;
        match &answer {
            b"+PONG\r\n" => Ok(Pass::new()),
            other => Err(CheckError::Unexpected(
                other.escape_ascii().to_string().into(),
            )),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let timing = Timing::new(Duration::from_secs(2), Duration::from_secs(1))?;
    let mut subscriptions = Vec::new();
    for (number, server) in (0..).zip(std::env::args().skip(1)) {
        let probe = Probe::new(server.parse()?, "redis", Arc::new(Redis), timing);
        subscriptions.push(Subscription::new(Subscriber(number), probe));
    }

    let (runner, mut reports) = Runner::start(RunnerLimits::default(), 1);
    runner.set(subscriptions)?;
    while let Some(report) = reports.recv().await {
        println!("server {}: {:?}", report.subscriber.0, report.health);
        if let Some(error) = report.error {
            println!("  {error}");
        }
    }
    Ok(())
}
