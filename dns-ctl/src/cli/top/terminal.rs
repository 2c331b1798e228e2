//! The live screen: keys, and a terminal that is as it was afterwards.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::DefaultTerminal;

use super::{
    figures::Figures,
    monitor::{Monitor, Wanted},
    screen::{self, View},
    stop::Stop,
    tally::Order,
};

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Quit,
    Pause,
    Sort,
    Names,
}

/// What the user has chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Choices {
    is_paused: bool,
    order: Order,
    are_names_hidden: bool,
}

/// Shows the figures until a key, Ctrl-C or a signal ends it.
pub(super) fn show(monitor: &mut Monitor, interval: Duration, stop: &Stop) -> anyhow::Result<()> {
    // Also restores the terminal when this program panics.
    let mut terminal = ratatui::try_init().context("can't draw on this terminal")?;
    let result = run(&mut terminal, monitor, interval, stop);
    let restored = ratatui::try_restore().context("can't restore the terminal");
    result.and(restored)
}

fn run(
    terminal: &mut DefaultTerminal,
    monitor: &mut Monitor,
    interval: Duration,
    stop: &Stop,
) -> anyhow::Result<()> {
    let mut choices = Choices::default();
    let mut figures: Option<Figures> = None;
    let mut due = Instant::now() + interval;
    let mut is_stale = true;
    while !stop.is_asked() {
        if is_stale {
            let view = View {
                figures: figures.as_ref(),
                is_paused: choices.is_paused,
                order: choices.order,
                names: monitor.shows_names().then_some(!choices.are_names_hidden),
            };
            terminal.draw(|frame| screen::draw(frame, view))?;
            is_stale = false;
        }
        if event::poll(super::DRAIN_INTERVAL)? {
            match event::read()? {
                Event::Key(key) => match wish(key) {
                    Some(Wish::Quit) => return Ok(()),
                    Some(wish) => {
                        let was_paused = choices.is_paused;
                        choices = choices.after(wish);
                        if was_paused && !choices.is_paused {
                            monitor.restart()?;
                            due = Instant::now() + interval;
                        } else if figures.is_some() {
                            // At once, and not when the interval is over.
                            let height = terminal.size()?.height;
                            figures = Some(monitor.again(choices.wanted(height)));
                        }
                        is_stale = true;
                    }
                    None => {}
                },
                Event::Resize(..) => is_stale = true,
                _ => {}
            }
        }
        if choices.is_paused {
            // Nobody looks: samples end by themselves before long.
            continue;
        }
        monitor.drain()?;
        if Instant::now() >= due {
            due = Instant::now() + interval;
            let height = terminal.size()?.height;
            figures = Some(monitor.figures(choices.wanted(height))?);
            is_stale = true;
        }
    }
    Ok(())
}

impl Choices {
    /// What is wanted for a screen of this height.
    fn wanted(self, height: u16) -> Wanted {
        Wanted {
            order: self.order,
            rows: screen::rows(height),
            names: !self.are_names_hidden,
        }
    }

    fn after(mut self, wish: Wish) -> Self {
        match wish {
            Wish::Quit => {}
            Wish::Pause => self.is_paused = !self.is_paused,
            Wish::Sort => {
                self.order = match self.order {
                    Order::Queries => Order::PassedOn,
                    Order::PassedOn => Order::Queries,
                }
            }
            Wish::Names => self.are_names_hidden = !self.are_names_hidden,
        }
        self
    }
}

fn wish(key: KeyEvent) -> Option<Wish> {
    if key.kind != KeyEventKind::Press {
        return None;
    }
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c' | 'd') if is_control => Some(Wish::Quit),
        KeyCode::Char('q') | KeyCode::Esc => Some(Wish::Quit),
        KeyCode::Char('p' | ' ') => Some(Wish::Pause),
        KeyCode::Char('s') => Some(Wish::Sort),
        KeyCode::Char('n') => Some(Wish::Names),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_ask_for_what_the_last_line_says() {
        for (code, modifiers, expected) in [
            (KeyCode::Char('q'), KeyModifiers::NONE, Some(Wish::Quit)),
            (KeyCode::Esc, KeyModifiers::NONE, Some(Wish::Quit)),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, Some(Wish::Quit)),
            (KeyCode::Char('c'), KeyModifiers::NONE, None),
            (KeyCode::Char('p'), KeyModifiers::NONE, Some(Wish::Pause)),
            (KeyCode::Char(' '), KeyModifiers::NONE, Some(Wish::Pause)),
            (KeyCode::Char('s'), KeyModifiers::NONE, Some(Wish::Sort)),
            (KeyCode::Char('n'), KeyModifiers::NONE, Some(Wish::Names)),
            (KeyCode::Enter, KeyModifiers::NONE, None),
        ] {
            assert_eq!(wish(KeyEvent::new(code, modifiers)), expected, "{code:?}");
        }
        let twice = |wish| Choices::default().after(wish).after(wish);
        for wish in [Wish::Pause, Wish::Sort, Wish::Names] {
            let (once, back) = (Choices::default().after(wish), twice(wish));
            assert_ne!(once, back, "{wish:?}");
            assert_eq!(back, Choices::default(), "{wish:?}");
        }
    }
}
