//! The targets `packet` and `message`: the packet path answers what deserves it, and touches nothing else.

use dns_common::{Hit, Miss, respond, scratch::ScratchCells};

use crate::{
    guarded::{Guarded, MARGIN},
    judge::judge,
    maps::{View, result, tables},
    model::deserved,
    world::STAGES,
    wrap::Wrap,
};

/// Longest message that a frame can be made of.
const LONGEST: usize = 4096;

/// Puts a frame of any octets to the packet path, at every stage of the maps.
///
/// # Panics
/// If the packet is touched though it passes, something outside of it is read or written, or it is not
/// answered as an independent reader would, or not passed on.
pub fn packet(input: &[u8]) {
    for stage in 0..STAGES.len() {
        // What comes out is judged there.
        let _ = outcome(input, stage);
    }
}

/// Puts a DNS message of any octets to the packet path, in a frame that is right.
///
/// The input is an octet for [`Wrap`], and the message.
///
/// # Panics
/// As [`packet`] does.
pub fn message(input: &[u8]) {
    let Some((&wrap, message)) = input.split_first() else {
        return;
    };
    if message.len() <= LONGEST {
        packet(&Wrap(wrap).frame(message));
    }
}

/// Puts a frame to the packet path at a stage of the maps; gives the answer, or why there is none.
///
/// # Errors
/// The reason why the packet passes.
///
/// # Panics
/// As [`packet`] does.
pub fn outcome(frame: &[u8], stage: usize) -> Result<Vec<u8>, Miss> {
    let run = Run {
        frame,
        margin: MARGIN,
        guard: 0x00,
        limit: usize::MAX,
        stage,
    };
    let fresh = ScratchCells::default();
    let (outcome, octets) = run.run(&fresh);
    let others = Run { guard: 0xff, ..run };
    // The scratch space of the second run still holds what an earlier packet put there.
    let among_others = others.run(&used_scratch());
    let alone = Run {
        margin: 0,
        ..others
    };
    for again in [among_others, alone.run(&fresh)] {
        assert_eq!(
            (outcome, &octets),
            (again.0, &again.1),
            "something was read outside of the packet, or of what was put into the scratch space"
        );
    }
    let reply = deserved(frame, &STAGES[stage]);
    let hit = match outcome {
        Ok(hit) => hit,
        Err(miss) => {
            assert_eq!(octets, frame, "a packet that passes is not touched");
            assert_eq!(reply, None, "{miss:?} for a packet that deserves an answer");
            return Err(miss);
        }
    };
    let Some(reply) = reply else {
        panic!("{hit:?} for a packet that has to pass");
    };
    assert_eq!(hit.label(), reply.kind, "{reply:?}");
    if let Err(fault) = judge(frame, &octets, &reply, &STAGES[stage]) {
        panic!("{fault}, in {octets:02x?}");
    }
    if octets.len() > frame.len() {
        let limit = octets.len() - 1;
        let (outcome, untouched) = Run { limit, ..run }.run(&fresh);
        assert_eq!(outcome, Err(Miss::NoRoom));
        assert_eq!(untouched, frame, "a packet that can't grow is not touched");
    }
    Ok(octets)
}

/// `most6.default.svc.cluster.local` AAAA with room for all 23 addresses.
const FILLER: &[u8] =
    b"\0\0\x01\0\0\x01\0\0\0\0\0\x01\x05most6\x07default\x03svc\x07cluster\x05local\0\
    \0\x1c\0\x01\0\0\x29\x04\xd0\0\0\0\0\0\0";

/// A scratch space in which a long answer was put together.
fn used_scratch() -> ScratchCells {
    let scratch = ScratchCells::default();
    let filler = Run {
        frame: &Wrap(0).frame(FILLER),
        margin: MARGIN,
        guard: 0x00,
        limit: usize::MAX,
        stage: 0,
    };
    assert_eq!(filler.run(&scratch).0, Ok(Hit::Aaaa));
    scratch
}

/// How a packet is put to the packet path.
#[derive(Clone, Copy)]
struct Run<'f> {
    frame: &'f [u8],
    /// Known octets around it.
    margin: usize,
    guard: u8,
    /// Most octets that it can have.
    limit: usize,
    stage: usize,
}

impl Run<'_> {
    fn run(&self, scratch: &ScratchCells) -> (Result<Hit, Miss>, Vec<u8>) {
        let mut guarded = Guarded::new(self.frame, self.margin, self.guard, self.limit);
        let view = View {
            tables: tables(),
            stage: self.stage,
            scratch,
        };
        let outcome = result(respond(&mut guarded, &view));
        assert!(guarded.guards_hold(), "written outside of the packet");
        (outcome, guarded.packet().to_vec())
    }
}
