//! Checks that the messages which all clients have received from a channel fit into one order.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::book::{Book, Outcome};
use super::client::Client;
use super::plan::Plan;

/// Checks that no message was received twice or although it was refused; that the messages of a
/// publisher arrive in order; and that there is one order of a channel's messages with which the
/// order at every client agrees, and so do the numbers given by the channel's home.
pub fn check(book: &Book, clients: &[Client]) {
    let mut edges: HashMap<u32, Vec<u32>> = HashMap::new();
    for client in clients {
        let mut seen = HashSet::new();
        // By channel: the message before this one. By channel and publisher: the publisher's last
        // message.
        let (mut before, mut last) = (HashMap::new(), HashMap::new());
        for number in &client.received {
            assert!(seen.insert(number), "message {number} comes twice");
            let published = &book.published[*number as usize];
            assert_ne!(published.outcome, Outcome::Refused, "message {number} was refused");
            let channel = published.channel;
            assert!(
                !client.is_clean || client.channels().contains(&channel),
                "message {number} of {channel}"
            );
            if let Some(before) = before.insert(channel, *number) {
                edges.entry(before).or_default().push(*number);
            }
            if let Some(before) = last.insert((channel, published.publisher), *number) {
                assert!(
                    before < *number,
                    "the publisher of {before} and {number} has sent them in order"
                );
            }
        }
        for number in &client.torn {
            let publisher = book.published[*number as usize].publisher;
            let is_clean =
                clients.iter().all(|client| client.publisher() != publisher || client.is_clean);
            assert!(!is_clean, "message {number} has come with other bytes");
        }
    }
    check_numbers(book, &mut edges);
    assert!(is_order(&edges), "there is no order that all agree with");
}

/// Adds the order that follows from the numbers which the homes have given.
fn check_numbers(book: &Book, edges: &mut HashMap<u32, Vec<u32>>) {
    let mut numbered: BTreeMap<(&str, u64), BTreeMap<u64, u32>> = BTreeMap::new();
    for (number, published) in book.published.iter().enumerate() {
        if let Outcome::Numbered(id) = published.outcome {
            let epoch = numbered.entry((published.channel, id.epoch)).or_default();
            assert_eq!(epoch.insert(id.number, number as u32), None, "{id} twice");
        }
    }
    for epoch in numbered.values() {
        for (before, after) in epoch.values().zip(epoch.values().skip(1)) {
            edges.entry(*before).or_default().push(*after);
        }
    }
}

/// Returns true if the edges have no cycle: removes, again and again, the messages that no other
/// must precede. Without a cycle, none is left.
fn is_order(edges: &HashMap<u32, Vec<u32>>) -> bool {
    let mut incoming: HashMap<u32, usize> = HashMap::new();
    for (before, after) in edges {
        incoming.entry(*before).or_default();
        after.iter().for_each(|after| *incoming.entry(*after).or_default() += 1);
    }
    let mut first: VecDeque<u32> =
        incoming.iter().filter(|(_, count)| **count == 0).map(|(number, _)| *number).collect();
    let mut taken = 0;
    while let Some(number) = first.pop_front() {
        taken += 1;
        for after in edges.get(&number).into_iter().flatten() {
            let count = incoming.get_mut(after).expect("every end of an edge is counted");
            *count -= 1;
            if *count == 0 {
                first.push_back(*after);
            }
        }
    }
    taken == incoming.len()
}

/// Checks, when nothing is pending any more, that every client which is still connected has
/// received what was accepted since its 101: everything or, where messages may be skipped, the last
/// message. `certain` has messages that were accepted even if no client has received them.
pub fn check_nothing_is_missing(
    book: &Book,
    clients: &[Client],
    certain: &HashSet<u32>,
    plan: &Plan,
) {
    let received = clients.iter().flat_map(|client| &client.received);
    let accepted: HashSet<u32> = received.chain(certain).copied().collect();
    let has_foreign = clients.iter().any(|client| client.has_foreign || !client.torn.is_empty());
    // By channel: the last message that some client has received.
    let mut last = HashMap::new();
    for client in clients.iter().filter(|client| client.is_in() && client.stays()) {
        for channel in client.channels() {
            let is_of_channel =
                |number: &&u32| book.published[**number as usize].channel == *channel;
            let of_channel: Vec<u32> =
                client.received.iter().filter(is_of_channel).copied().collect();
            let mut owed =
                accepted.iter().filter(is_of_channel).filter(|number| **number >= client.joined);
            if plan.skips() {
                // A message that cannot be recognised may be the last one. And a reactor that is
                // short of memory keeps no message, not even the last, for slow subscribers alone;
                // it counts what they miss.
                if has_foreign || plan.is_short_of_memory() {
                    continue;
                }
                assert!(
                    !of_channel.is_empty() || owed.next().is_none(),
                    "nothing of {channel} has come"
                );
                if let Some(number) = of_channel.last() {
                    let last = last.entry(*channel).or_insert(*number);
                    assert_eq!(last, number, "the last of {channel} is missing");
                }
            } else {
                let of_channel: HashSet<u32> = of_channel.into_iter().collect();
                let missing: Vec<_> = owed.filter(|number| !of_channel.contains(number)).collect();
                assert!(
                    missing.is_empty(),
                    "{missing:?} of {channel} are missing, of {:?}",
                    client.received
                );
            }
        }
    }
    if !plan.skips() {
        check_contiguous(book, clients);
    }
}

/// Checks, where no message may be skipped, that every message is followed by the same message at
/// all clients that receive further ones.
fn check_contiguous(book: &Book, clients: &[Client]) {
    let mut next: HashMap<u32, u32> = HashMap::new();
    for client in clients.iter().filter(|client| client.stays()) {
        let mut before: HashMap<&str, u32> = HashMap::new();
        for number in &client.received {
            let channel = book.published[*number as usize].channel;
            if let Some(before) = before.insert(channel, *number) {
                let after = next.entry(before).or_insert(*number);
                assert_eq!(after, number, "behind {before} something is left out");
            }
        }
    }
}
