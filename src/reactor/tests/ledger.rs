//! The ledger between reactors, checked at every turn: nothing is lost in a ring, and every member
//! has appended, or has in its ring, all that its home has numbered since it joined.

use std::collections::HashMap;

use super::super::mail::Delivery;
use super::world::SimReactor;
use crate::hub::views::ChannelView;
use crate::hub::{Membership, ReactorNumber, Slot};

/// What is under way from one reactor to another of one channel, by slot and epoch.
#[derive(Default)]
struct UnderWay {
    /// The numbers of its messages, in their order.
    messages: Vec<u64>,
    /// The number from which on a member will receive.
    joined: Option<u64>,
}

type Deliveries = HashMap<(Slot, u64), UnderWay>;

/// After a turn of one reactor: what it can have changed is between it and the others.
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

/// Put = taken + inside, both ways; and what is inside from home to member.
fn check_ring(reactors: &mut [SimReactor], home: usize, member: usize) -> Deliveries {
    let (from, to) = (ReactorNumber(home as u16), ReactorNumber(member as u16));
    let put = reactors[home].peers.core.exchange.outbox.put_so_far(to);
    let taken = reactors[member].peers.core.exchange.inbox.taken_so_far(from);
    let mut under_way = Deliveries::new();
    let (mut updates, mut requests, mut deliveries) = (0, 0, 0);
    reactors[member].peers.core.exchange.inbox.look_through(
        from,
        |_| updates += 1,
        |_| requests += 1,
        |delivery| {
            deliveries += 1;
            match delivery {
                Delivery::Message(numbered) => {
                    let key = (numbered.slot, numbered.epoch);
                    under_way.entry(key).or_default().messages.push(numbered.number);
                }
                Delivery::Joined(joined) => {
                    under_way.entry((joined.slot, joined.epoch)).or_default().joined =
                        Some(joined.next);
                }
                Delivery::NotJoined { .. }
                | Delivery::Published { .. }
                | Delivery::Inspected { .. } => {}
            }
        },
    );
    let inside = [updates, requests, deliveries];
    assert!(
        put.iter().zip(taken).zip(inside).all(|((put, taken), inside)| *put == taken + inside),
        "a ring loses nothing"
    );
    under_way
}

/// Every member of a home has, or will take out of its ring, every number up to the last.
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
        // Gone: its leave is on the way.
        let Some(view) = view else { continue };
        let next = match (view.membership, under_way.joined) {
            (Membership::Joining, Some(next)) => next,
            (Membership::Live | Membership::Leaving, None) => view.next,
            // It has left and wants to come back: the home is still to hear of both.
            (Membership::Unannounced | Membership::Joining, None) => continue,
            odd => panic!("{odd:?}: {channel:?} {view:?}"),
        };
        let since: Vec<u64> = (next..channel.next).collect();
        let ahead = under_way.messages.iter().copied().filter(|number| *number >= next);
        assert!(ahead.eq(since), "{home} -> {member}: {channel:?} {view:?}");
    }
}

/// Whoever believes to be a member is one.
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
    let (mut let_in, mut refused) = (0, 0);
    for reactor in reactors {
        for connection in reactor.peers.connections.iter() {
            *if connection.refusal.is_some() { &mut refused } else { &mut let_in } += 1;
        }
    }
    assert_eq!(
        reactors[0].peers.core.exchange.shared.connection_limits.counts(),
        (let_in, refused),
        "places that are taken"
    );
}

/// What one reactor and the others have put down for each other, and what has been taken of it.
pub(super) struct Words {
    own: usize,
    /// By reactor: records put on the way to it.
    put: Vec<[u64; 3]>,
    /// By reactor: bytes taken of what it has sent, and whether it waits for more of that.
    fetched: Vec<[(u64, bool); 3]>,
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

    /// After a turn: who was sent something, or has waited for room that there is now, is woken.
    pub(super) fn check_since(&self, before: &Words, will_look: impl Fn(usize) -> bool) {
        for other in (0..self.put.len()).filter(|other| *other != self.own) {
            let was_sent = self.put[other] != before.put[other];
            assert!(!was_sent || will_look(other), "nobody tells reactor {other} of its mail");
            for (now, before) in self.fetched[other].iter().zip(before.fetched[other]) {
                let has_room_again = before.1 && now.0 > before.0;
                assert!(
                    !has_room_again || will_look(other),
                    "nobody tells reactor {other} that there is room"
                );
                assert!(!has_room_again || !now.1, "it was told, and waits");
            }
        }
    }
}

/// After a turn of a reactor: whether it has left anything in its rings that it need not wait for
/// others to take, of those senders who have told it of all that they have sent.
pub(super) fn has_left_mail(
    reactors: &mut [SimReactor],
    own: usize,
    has_told: impl Fn(usize) -> bool,
) -> bool {
    let (mut has_requests, mut has_deliveries) = (false, false);
    for from in (0..reactors.len() as u16).filter(|from| has_told(usize::from(*from))) {
        let inbox = &mut reactors[own].peers.core.exchange.inbox;
        inbox.look_through(
            ReactorNumber(from),
            |_| {},
            |_| has_requests = true,
            |_| has_deliveries = true,
        );
    }
    // A request may have to wait until there is room for all that it causes.
    let number = ReactorNumber(own as u16);
    let waits_for_room =
        reactors.iter().any(|other| other.peers.core.exchange.inbox.fetched(number)[2].1);
    has_deliveries || has_requests && !waits_for_room
}

/// With nothing under way: the homes know how many subscribers each member has.
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

/// Whether anything is on its way, or waits for its home.
pub(super) fn is_mail_under_way(reactors: &mut [SimReactor]) -> bool {
    (0..reactors.len() as u16).any(|from| {
        reactors.iter_mut().any(|to| {
            let (mut updates, mut requests, mut deliveries) = (false, false, false);
            to.peers.core.exchange.inbox.look_through(
                ReactorNumber(from),
                |_| updates = true,
                |_| requests = true,
                |_| deliveries = true,
            );
            updates || requests || deliveries
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
