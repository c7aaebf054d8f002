//! Standard output: a picture that is drawn again and again, or one line after another.

use std::io::{self, Write};

use anyhow::Context;
use locum_lab::kernel::output_is_terminal;

use super::Form;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// A picture that moves.
    Live,
    Lines,
    Silent,
}

#[derive(Debug)]
pub(super) struct Screen {
    style: Style,
    /// Lines of the picture that is there now.
    drawn: usize,
}

impl Screen {
    pub(super) fn new(form: Form) -> Self {
        let style = match form {
            Form::Json => Style::Silent,
            Form::People if output_is_terminal() => Style::Live,
            Form::People => Style::Lines,
        };
        Self { style, drawn: 0 }
    }

    /// Writes `text` below what is there, which stays.
    pub(super) fn say(&mut self, text: &str) -> anyhow::Result<()> {
        self.drawn = 0;
        match self.style {
            Style::Live | Style::Lines => write(&format!("{text}\n")),
            Style::Silent => Ok(()),
        }
    }

    /// Says something unless the picture shows it.
    pub(super) fn note(&mut self, line: &str) -> anyhow::Result<()> {
        match self.style {
            Style::Lines => self.say(line),
            Style::Live | Style::Silent => Ok(()),
        }
    }

    /// Draws the picture where the one before is.
    pub(super) fn draw(&mut self, lines: &[String]) -> anyhow::Result<()> {
        if self.style != Style::Live {
            return Ok(());
        }
        let mut frame = String::new();
        if self.drawn > 0 {
            frame = format!("\x1b[{}A", self.drawn);
        }
        self.drawn = lines.len();
        for line in lines {
            frame.push_str(line);
            frame.push_str("\x1b[K\n");
        }
        // The picture before may have been longer.
        frame.push_str("\x1b[J");
        write(&frame)
    }

    /// Leaves the picture where it is.
    pub(super) fn end(&mut self, lines: &[String]) -> anyhow::Result<()> {
        self.draw(lines)?;
        self.say("")
    }
}

/// Writes to standard output, at once.
pub(super) fn write(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("standard output")
}
