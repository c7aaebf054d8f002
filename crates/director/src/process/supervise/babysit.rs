//! The task that minds one process after the other.

use std::ops::ControlFlow;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{mpsc, watch as watched};
use tokio::task::JoinHandle;
use tokio::time::{sleep, sleep_until, timeout};
use tracing::{debug, error, info, warn};

use super::{Begin, Call, Counts, Heard, News, lock};
use crate::clock;
use crate::process::frame::{self, FrameError, Overflow};
use crate::process::running::Running;
use crate::process::socket;
use crate::process::spawn::Launch;
use crate::process::watch::{Act, Limits, Loss, Watch};
use crate::process::{ToParent, ToSide};
use crate::words::{brief, chain};

/// One that has closed its socket, or whose parent has let go of it, has so long to end.
const LAST_WORDS: Duration = Duration::from_secs(5);
const LET_GO: Duration = Duration::from_secs(30);

/// Whoever waits for the death of one that was killed says so this often.
const COMPLAIN: Duration = Duration::from_secs(10);

pub(super) struct Babysitter<O, N> {
    launch: Launch,
    watch: Watch,
    calls: mpsc::UnboundedReceiver<Call<O>>,
    tell: mpsc::Sender<Heard<N>>,
    counts: Arc<Mutex<Counts>>,
    generation: u64,
    /// Set once the side is to end: by when.
    end: Option<Instant>,
    /// Nobody holds the side any more.
    forsaken: bool,
}

/// What happens next.
enum Turn<O> {
    Answer(u64),
    Call(Option<Call<O>>),
    Exited(Option<ExitStatus>),
    Silent(Result<(), FrameError>),
    Time,
}

/// The two directions of a connection.
struct Connection<O> {
    orders: mpsc::UnboundedSender<O>,
    answers: watched::Receiver<u64>,
    writing: JoinHandle<Result<(), FrameError>>,
    reading: JoinHandle<Result<(), FrameError>>,
}

impl<O: ToSide, N: ToParent> Babysitter<O, N> {
    pub(super) fn new(
        launch: Launch,
        limits: Limits,
        calls: mpsc::UnboundedReceiver<Call<O>>,
        tell: mpsc::Sender<Heard<N>>,
        counts: Arc<Mutex<Counts>>,
    ) -> Self {
        Self {
            launch,
            watch: Watch::new(limits),
            calls,
            tell,
            counts,
            generation: 0,
            end: None,
            forsaken: false,
        }
    }

    pub(super) async fn run(mut self, begin: Begin) {
        if begin == Begin::WhenWanted && self.wanted().await.is_break() {
            return;
        }
        loop {
            self.generation += 1;
            let how = self.live().await;
            lock(&self.counts).pid = None;
            let pause = self.watch.handle_loss(clock::now());
            let again_after = (self.end.is_none() && !self.forsaken).then_some(pause);
            self.report(&how, again_after);
            self.tell(News::Lost { how, again_after }).await;
            if again_after.is_none() || self.pause(pause).await.is_break() {
                return;
            }
            lock(&self.counts).restarts += 1;
        }
    }

    fn report(&self, how: &Loss, again_after: Option<Duration>) {
        let side = self.launch.side;
        match again_after {
            Some(pause) if pause.is_zero() => {
                error!(%side, "the process of the {side} {how}: it is started again");
            }
            Some(pause) => {
                error!(%side, "the process of the {side} {how}: it is started again in {}", brief(pause));
            }
            None => info!(%side, "the process of the {side} {how}"),
        }
    }

    async fn tell(&self, news: News<N>) {
        let generation = self.generation;
        // If nobody listens, that shows in the calls.
        let _ = self.tell.send(Heard { generation, news }).await;
    }

    /// Waits until somebody wants it to begin.
    async fn wanted(&mut self) -> ControlFlow<()> {
        loop {
            match self.calls.recv().await {
                Some(Call::Want) => return ControlFlow::Continue(()),
                Some(Call::Order { .. }) => {}
                Some(Call::Stop { .. }) | None => return ControlFlow::Break(()),
            }
        }
    }

    /// Waits before a start. Whoever calls meanwhile calls nobody.
    async fn pause(&mut self, pause: Duration) -> ControlFlow<()> {
        let until = clock::now() + pause;
        loop {
            tokio::select! {
                () = sleep_until(until.into()) => return ControlFlow::Continue(()),
                call = self.calls.recv() => match call {
                    Some(Call::Order { .. } | Call::Want) => {}
                    Some(Call::Stop { .. }) | None => return ControlFlow::Break(()),
                },
            }
        }
    }

    /// One process from its start until it is reaped.
    async fn live(&mut self) -> Loss {
        let (mut child, stream) = match self.launch.spawn() {
            Ok(spawned) => spawned,
            Err(error) => return Loss::NotStarted(chain(&error)),
        };
        self.watch.handle_start(clock::now());
        let pid = child.id();
        lock(&self.counts).pid = pid;
        let connected = match stream {
            Some(stream) => Ok(self.connection(stream)),
            None => self.connect(&mut child).await,
        };
        let mut connection = match connected {
            Ok(connection) => connection,
            Err(loss) => return loss,
        };
        let now = clock::now();
        self.watch.handle_connected(now);
        let restart = self.generation > 1;
        let may_adopt = restart && self.watch.permit_adoption(now);
        info!(side = %self.launch.side, pid, "the {} run as process {}", self.launch.side, pid.unwrap_or(0));
        self.tell(News::Started {
            pid,
            restart,
            may_adopt,
        })
        .await;
        let loss = self.mind(&mut child, &mut connection).await;
        // What it has said last is still heard, unless nobody listens. A task that is finished must not be asked again.
        if !connection.reading.is_finished()
            && timeout(LAST_WORDS, &mut connection.reading).await.is_err()
        {
            connection.reading.abort();
        }
        connection.writing.abort();
        loss
    }

    async fn connect(&mut self, child: &mut Running) -> Result<Connection<O>, Loss> {
        let pid = child.id().unwrap_or(0);
        let path = self.launch.socket.clone();
        let mut connecting = std::pin::pin!(socket::meet(&path, pid));
        loop {
            let until = self.end.or_else(|| self.watch.poll_timeout());
            let until = until.unwrap_or_else(clock::now);
            tokio::select! {
                stream = &mut connecting => return Ok(self.connection(stream)),
                status = child.wait() => return Err(how(status.ok())),
                call = self.calls.recv() => match call {
                    Some(Call::Order { .. } | Call::Want) => {}
                    // It has nothing to end yet.
                    Some(Call::Stop { .. }) => {
                        self.end = Some(clock::now());
                    }
                    None => {
                        self.forsaken = true;
                        self.kill(child).await;
                        return Err(Loss::Ended);
                    }
                },
                () = sleep_until(until.into()) => {
                    self.kill(child).await;
                    return Err(Loss::Hung);
                }
            }
        }
    }

    fn connection(&self, stream: UnixStream) -> Connection<O> {
        let (read, write) = stream.into_split();
        // Unbounded: it is emptied into a bounded queue without waiting.
        let (orders, queue) = mpsc::unbounded_channel();
        let (answer, answers) = watched::channel(0);
        Connection {
            orders,
            answers,
            writing: tokio::spawn(frame::pump(queue, write, Overflow::Fail)),
            reading: tokio::spawn(listen(
                BufReader::new(read),
                self.generation,
                self.tell.clone(),
                answer,
            )),
        }
    }

    async fn mind(&mut self, child: &mut Running, connection: &mut Connection<O>) -> Loss {
        let mut writing = true;
        loop {
            let hello = self.watch.poll_timeout().filter(|_| self.end.is_none());
            let until = self.end.or(hello).unwrap_or_else(clock::now);
            let turn = tokio::select! {
                // A flood of one kind of thing must not hide the others: no order among them.
                call = self.calls.recv(), if !self.forsaken => Turn::Call(call),
                status = child.wait() => Turn::Exited(status.ok()),
                read = &mut connection.reading => Turn::Silent(read.unwrap_or(Ok(()))),
                wrote = &mut connection.writing, if writing => {
                    writing = false;
                    match wrote {
                        Ok(Err(error @ FrameError::NotRead)) => Turn::Silent(Err(error)),
                        // That the other end is gone shows when it is read; what cannot be sent is told here.
                        Ok(Err(error)) => Turn::Silent(Err(error)),
                        Ok(Ok(())) | Err(_) => continue,
                    }
                }
                Ok(()) = connection.answers.changed() => Turn::Answer(*connection.answers.borrow_and_update()),
                () = sleep_until(until.into()) => Turn::Time,
            };
            match turn {
                Turn::Answer(number) => {
                    if self.watch.handle_answer(number) {
                        lock(&self.counts).answers += 1;
                    }
                }
                Turn::Call(Some(Call::Order { generation, order })) => {
                    if generation == self.generation {
                        // Its end shows elsewhere.
                        let _ = connection.orders.send(order);
                    }
                }
                Turn::Call(Some(Call::Want)) => {}
                Turn::Call(Some(Call::Stop { patience })) => {
                    self.end = Some(clock::now() + patience);
                    let _ = connection.orders.send(O::stop());
                }
                Turn::Call(None) => {
                    self.forsaken = true;
                    return self.let_go(child, connection).await;
                }
                Turn::Exited(status) => return how(status),
                Turn::Silent(Ok(()) | Err(FrameError::Socket(_))) => {
                    return self.leave(child).await;
                }
                Turn::Silent(Err(error)) => {
                    let why = chain(&error);
                    self.kill(child).await;
                    return Loss::Misspoke(why);
                }
                Turn::Time => {
                    if let Some(loss) = self.time(child, connection).await {
                        return loss;
                    }
                }
            }
        }
    }

    async fn time(&mut self, child: &mut Running, connection: &Connection<O>) -> Option<Loss> {
        let now = clock::now();
        if self.end.is_some_and(|end| now >= end) {
            self.kill(child).await;
            return Some(Loss::Hung);
        }
        if self.tell.capacity() == 0 {
            self.watch.excuse();
        }
        match self.watch.poll_act(now).filter(|_| self.end.is_none()) {
            None => None,
            Some(Act::Ask(number)) => {
                let _ = connection.orders.send(O::hello(number));
                None
            }
            Some(Act::Kill) => {
                self.kill(child).await;
                Some(Loss::Hung)
            }
        }
    }

    /// It has closed its socket, and should be about to end.
    async fn leave(&self, child: &mut Running) -> Loss {
        match timeout(LAST_WORDS, child.wait()).await {
            Ok(status) => how(status.ok()),
            Err(_) => {
                self.kill(child).await;
                Loss::Hung
            }
        }
    }

    /// Lets it end as if its parent had died.
    async fn let_go(&self, child: &mut Running, connection: &Connection<O>) -> Loss {
        connection.writing.abort();
        connection.reading.abort();
        match timeout(LET_GO, child.wait()).await {
            Ok(status) => how(status.ok()),
            Err(_) => {
                self.kill(child).await;
                Loss::Hung
            }
        }
    }

    /// Kills it and waits until it is reaped: before that, another one must not take its place.
    async fn kill(&self, child: &mut Running) {
        let side = self.launch.side;
        lock(&self.counts).kills += 1;
        warn!(%side, pid = child.id(), "the process of the {side} is killed");
        if let Err(error) = child.start_kill() {
            debug!(%side, %error, "the process of the {side} is dead already");
        }
        loop {
            tokio::select! {
                _ = child.wait() => return,
                () = sleep(COMPLAIN) => error!(%side, pid = child.id(), "the process of the {side} was killed and does not die"),
            }
        }
    }
}

/// Hands on what the process says, no faster than it is taken.
async fn listen<N: ToParent>(
    mut from: BufReader<OwnedReadHalf>,
    generation: u64,
    tell: mpsc::Sender<Heard<N>>,
    answer: watched::Sender<u64>,
) -> Result<(), FrameError> {
    while let Some(notice) = frame::read::<N>(&mut from).await? {
        if let Some(number) = notice.hello() {
            answer.send_replace(number);
        }
        let news = News::Notice(notice);
        if tell.send(Heard { generation, news }).await.is_err() {
            break;
        }
    }
    Ok(())
}

fn how(status: Option<ExitStatus>) -> Loss {
    let Some(status) = status else {
        return Loss::Ended;
    };
    match (status.code(), status.signal()) {
        (Some(code), _) => Loss::Exited(code),
        (None, Some(signal)) => Loss::Signalled(signal),
        (None, None) => Loss::Ended,
    }
}
