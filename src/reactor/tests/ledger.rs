//! Invariants between reactors, checked after every turn: no ring between them loses a record, and
//! every member of a channel has appended, or has in its ring, every message that the channel's
//! home has numbered since it joined.

use std::cell::RefCell;
use std::collections::HashMap;

use super::super::mail::AnswerRecord;
use super::world::SimReactor;
use crate::hub::views::ChannelView;
use crate::hub::{Membership, ReactorNumber, Slot};

/// Messages and answers about one channel that are in the rings from its home to a member.
#[derive(Default)]
struct UnderWay {
    /// The numbers of the messages, in order.
    messages: Vec<u64>,
    /// If the home's answer to the join is in its ring: the number of the first message it grants.
    joined: Option<u64>,
}

type Deliveries = HashMap<(Slot, u64), UnderWay>;

/// Checks the rings to and from the reactor that has just had a turn; the turn cannot have changed
/// any others.
pub(super) fn check_mail(reactors: &mut [SimReactor], acted: usize) {
    check_gate(reactors);
    if reactors.len() == 1 {
        return;
    }
    let views: Vec<Vec<ChannelView>> =
        reactors.iter().map(|reactor| reactor.peers.core.exchange.hub.views()).collect();
    for member in 0..reactors.len() {
        for home in (0..reactors.len())
            .filter(|home| *home != member && (acted == *home || acted == member))
        {
            let deliveries = check_ring(reactors, home, member);
            check_members(&views, home, member, &deliveries);
            check_standing(reactors, &views, home, member);
        }
    }
}

/// Checks for one ring that records written = records taken + records in it. Returns the messages
/// and joins in it, by slot and epoch of the channel.
fn check_ring(reactors: &mut [SimReactor], home: usize, member: usize) -> Deliveries {
    let (from, to) = (ReactorNumber(home as u16), ReactorNumber(member as u16));
    let put = reactors[home].peers.core.exchange.outbox.put_so_far(to);
    let taken = reactors[member].peers.core.exchange.inbox.taken_so_far(from);
    let mut under_way = Deliveries::new();
    let (mut updates, mut requests, mut messages, mut answers) = (0, 0, 0, 0);
    // The closures for messages and for answers both write into the map, one after the other.
    let noted = RefCell::new(&mut under_way);
    reactors[member].peers.core.exchange.inbox.look_through(
        from,
        |_| updates += 1,
        |_| requests += 1,
        |numbered| {
            messages += 1;
            let key = (numbered.slot, numbered.epoch);
            noted.borrow_mut().entry(key).or_default().messages.push(numbered.number);
        },
        |answer| {
            answers += 1;
            if let AnswerRecord::Joined(joined) = answer {
                let key = (joined.slot, joined.epoch);
                noted.borrow_mut().entry(key).or_default().joined = Some(joined.next);
            }
        },
    );
    let inside = [updates, requests, messages, answers];
    assert!(
        put.iter().zip(taken).zip(inside).all(|((put, taken), inside)| *put == taken + inside),
        "records written are taken or in the ring"
    );
    under_way
}

/// Checks that a member has received, or has in its ring, every message up to the home's last
/// number.
fn check_members(views: &[Vec<ChannelView>], home: usize, member: usize, deliveries: &Deliveries) {
    for channel in views[home].iter().filter(|view| view.membership == Membership::Home) {
        let number = ReactorNumber(member as u16);
        let Some((_, slot, _)) = channel.members.iter().find(|(reactor, ..)| *reactor == number)
        else {
            continue;
        };
        let nothing = UnderWay::default();
        let under_way = deliveries.get(&(*slot, channel.epoch)).unwrap_or(&nothing);
        let view =
            views[member].iter().find(|view| view.slot == *slot && view.name == channel.name);
        // The member has left the channel, and its home has not taken the update yet.
        let Some(view) = view else { continue };
        let next = match (view.membership, under_way.joined) {
            (Membership::Joining, Some(next)) => next,
            (Membership::Live | Membership::Leaving, None) => view.next,
            // The member has left and joined again, and the home has taken neither update yet.
            (Membership::Unannounced | Membership::Joining, None) => continue,
            odd => panic!("{odd:?}: {channel:?} {view:?}"),
        };
        let since: Vec<u64> = (next..channel.next).collect();
        let ahead = under_way.messages.iter().copied().filter(|number| *number >= next);
        assert!(ahead.eq(since), "{home} -> {member}: {channel:?} {view:?}");
    }
}

/// Checks for every channel of which a reactor considers itself a member that the home agrees.
fn check_standing(
    reactors: &mut [SimReactor],
    views: &[Vec<ChannelView>],
    home: usize,
    member: usize,
) {
    let number = ReactorNumber(member as u16);
    let elsewhere = views[member].iter().filter(|view| {
        matches!(view.membership, Membership::Live | Membership::Leaving)
            && reactors[member].peers.core.exchange.hub.home_of(parse(&view.name)).index() == home
    });
    for view in elsewhere {
        let channel = views[home].iter().find(|channel| channel.name == view.name);
        let channel = channel.unwrap_or_else(|| panic!("the home has forgotten {view:?}"));
        assert_eq!(channel.epoch, view.epoch, "{channel:?} {view:?}");
        let known = channel
            .members
            .iter()
            .find(|(reactor, slot, _)| *reactor == number && *slot == view.slot);
        assert!(known.is_some(), "the home does not know of {view:?}");
    }
}

fn parse(name: &str) -> crate::hub::ChannelName<'_> {
    crate::hub::ChannelName::parse(name).unwrap()
}

fn check_gate(reactors: &[SimReactor]) {
    let mut quotas = [0; 3];
    for reactor in reactors {
        for connection in reactor.peers.connections.iter() {
            quotas[connection.quota as usize] += 1;
        }
    }
    assert_eq!(
        reactors[0].peers.core.exchange.shared.connection_limits.counts(),
        quotas,
        "quotas in use"
    );
    let counted = |reactor: &SimReactor| {
        reactor.peers.connections.iter().filter(|one| one.is_counted).count()
    };
    let counted: usize = reactors.iter().map(counted).sum();
    let limits = &reactors[0].peers.core.exchange.shared.connection_limits;
    assert!(limits.of_addresses().is_none_or(|sum| sum == counted), "connections of addresses");
}

/// How many records one reactor has written for the others, and how many bytes it has taken from
/// them.
pub(super) struct Words {
    own: usize,
    /// By other reactor: how many records were written for it.
    put: Vec<[u64; 4]>,
    /// By other reactor: how many bytes were taken from its rings, and whether it waits for room.
    fetched: Vec<[(u64, bool); 4]>,
}

impl Words {
    pub(super) fn of(reactors: &[SimReactor], own: usize) -> Words {
        let exchange = &reactors[own].peers.core.exchange;
        let numbers = || (0..reactors.len() as u16).map(ReactorNumber);
        Words {
            own,
            put: numbers().map(|to| exchange.outbox.put_so_far(to)).collect(),
            fetched: numbers().map(|from| exchange.inbox.fetched(from)).collect(),
        }
    }

    /// Checks after a turn that the reactor has woken every other reactor for which it wrote
    /// records, or whose wait for room in a ring it has ended.
    pub(super) fn check_since(&self, before: &Words, will_look: impl Fn(usize) -> bool) {
        for other in (0..self.put.len()).filter(|other| *other != self.own) {
            let was_sent = self.put[other] != before.put[other];
            assert!(!was_sent || will_look(other), "reactor {other} was not woken for its mail");
            for (now, before) in self.fetched[other].iter().zip(before.fetched[other]) {
                let has_room_again = before.1 && now.0 > before.0;
                assert!(
                    !has_room_again || will_look(other),
                    "reactor {other} was not woken although there is room"
                );
                assert!(!has_room_again || !now.1, "it was woken and must not count as waiting");
            }
        }
    }
}

/// Returns true if a reactor's turn has left records in its rings that it could have taken. Rings
/// of a sender that has not yet sent its wake-ups (not `has_told`) are ignored.
pub(super) fn has_left_mail(
    reactors: &mut [SimReactor],
    own: usize,
    has_told: impl Fn(usize) -> bool,
) -> bool {
    let (mut has_requests, mut has_messages, mut has_answers) = (false, false, false);
    for from in (0..reactors.len() as u16).filter(|from| has_told(usize::from(*from))) {
        let inbox = &mut reactors[own].peers.core.exchange.inbox;
        inbox.look_through(
            ReactorNumber(from),
            |_| {},
            |_| has_requests = true,
            |_| has_messages = true,
            |_| has_answers = true,
        );
    }
    // A request may have to stay in the ring until there is room for everything that it causes.
    let number = ReactorNumber(own as u16);
    let waits_for_room = reactors.iter().any(|other| {
        let inbox = &other.peers.core.exchange.inbox;
        let [_, _, messages, answers] = inbox.fetched(number);
        messages.1 || answers.1 || inbox.is_large_message_awaited(number)
    });
    has_messages || has_answers || has_requests && !waits_for_room
}

/// Checks that each home knows how many subscribers each member has. The rings must be empty.
pub(super) fn check_counts(reactors: &[SimReactor]) {
    let views: Vec<Vec<ChannelView>> =
        reactors.iter().map(|reactor| reactor.peers.core.exchange.hub.views()).collect();
    for channel in views.iter().flatten() {
        for (member, slot, subscribers) in &channel.members {
            let view = views[member.index()].iter().find(|view| view.slot == *slot);
            let there = view.map(|view| (&view.name, view.subscribers));
            assert_eq!(
                there,
                Some((&channel.name, *subscribers as usize)),
                "reactor {member:?} of {channel:?}"
            );
        }
    }
}

/// Returns true if a record is in a ring between reactors, or is waiting to be written to one.
pub(super) fn is_mail_under_way(reactors: &mut [SimReactor]) -> bool {
    (0..reactors.len() as u16).any(|from| {
        reactors.iter_mut().any(|to| {
            let (mut home, mut messages, mut answers) = (RefCell::new(false), false, false);
            to.peers.core.exchange.inbox.look_through(
                ReactorNumber(from),
                |_| *home.borrow_mut() = true,
                |_| *home.borrow_mut() = true,
                |_| messages = true,
                |_| answers = true,
            );
            *home.get_mut() || messages || answers
        })
    }) || reactors.iter().any(|reactor| {
        let joining = |view: &ChannelView| {
            matches!(view.membership, Membership::Unannounced | Membership::Joining)
                && view.subscribers > 0
        };
        reactor.peers.core.exchange.hub.has_membership_update()
            || reactor.peers.core.exchange.hub.views().iter().any(joining)
    })
}
