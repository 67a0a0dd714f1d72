//! How the peers of a reactor were let in: what a reload needs to judge them again. Many peers come
//! in the same way, so each way is kept once, and a session holds its number.

use std::collections::HashMap;
use std::sync::Arc;

use crate::protocol::Request;

use super::access;
use super::sign_in::SignIn;

/// The most bytes that the ways of one reactor may take. Peers whose way finds no room are told to
/// reconnect at the next reload that changes who is let in.
const BYTES_MAX: usize = 4 << 20;
/// About what a way takes beside its head.
const ENTRY_BYTES: usize = 256;
/// The longest head that is kept.
const HEAD_BYTES_MAX: usize = 512;

/// One way of being let in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct WayIn {
    /// A head with those headers of the handshake that count for a decision. It has no credentials.
    pub(crate) head: String,
    pub(crate) sign_in: SignIn,
}

/// The number of an [`WayIn`]; zero if it is not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WayNumber(u16);

/// All ways in which peers that are connected now were let in.
#[derive(Default)]
pub(crate) struct WaysIn {
    /// By number, less one: the way, and how many peers have it. `None` where a number is free.
    entries: Vec<Option<(Arc<WayIn>, u32)>>,
    free: Vec<u16>,
    numbers: HashMap<Arc<WayIn>, WayNumber>,
    bytes: usize,
    /// The way of the last peer. Most peers come in the same way as the one before, so it is kept
    /// also when no peer has it any more.
    last: WayNumber,
    /// The way of the peer that is being let in; its buffers are used again.
    draft: WayIn,
}

impl WaysIn {
    /// Counts a peer that is let in by this handshake. Returns the number of its way.
    pub(crate) fn enter(&mut self, request: &Request<'_>, sign_in: &SignIn) -> WayNumber {
        let mut draft = std::mem::take(&mut self.draft);
        write_head(request, &mut draft.head);
        draft.sign_in = sign_in.to_keep();
        let number = self.enter_as(&draft);
        self.draft = draft;
        number
    }

    fn enter_as(&mut self, way: &WayIn) -> WayNumber {
        let last = self.entry(self.last).filter(|(one, _)| **one == *way);
        let known = match last {
            Some(_) => Some(self.last),
            None => self.numbers.get(way).copied(),
        };
        let number = known.or_else(|| self.insert(way)).unwrap_or_default();
        if let Some((_, peers)) = self.entry_mut(number) {
            *peers += 1;
            let former = std::mem::replace(&mut self.last, number);
            self.forget_unused(former);
        }
        number
    }

    fn insert(&mut self, way: &WayIn) -> Option<WayNumber> {
        let bytes = bytes(way);
        if way.head.len() > HEAD_BYTES_MAX || self.bytes + bytes > BYTES_MAX {
            return None;
        }
        let place = match self.free.pop() {
            Some(place) => place,
            None => u16::try_from(self.entries.len()).ok().filter(|place| *place < u16::MAX)?,
        };
        let number = WayNumber(place + 1);
        let shared = Arc::new(way.clone());
        let entry = Some((Arc::clone(&shared), 0));
        match self.entries.get_mut(usize::from(place)) {
            Some(vacant) => *vacant = entry,
            None => self.entries.push(entry),
        }
        self.bytes += bytes;
        self.numbers.insert(shared, number);
        Some(number)
    }

    /// Counts a peer no longer, which has this number.
    pub(crate) fn leave(&mut self, number: WayNumber) {
        let Some((_, peers)) = self.entry_mut(number) else { return };
        *peers -= 1;
        self.forget_unused(number);
    }

    /// Forgets a way that no peer has, unless it is the last one.
    fn forget_unused(&mut self, number: WayNumber) {
        let Some((way, 0)) = self.entry(number).filter(|_| number != self.last) else { return };
        let way = Arc::clone(way);
        self.bytes -= bytes(&way);
        self.numbers.remove(&way);
        self.entries[usize::from(number.0 - 1)] = None;
        self.free.push(number.0 - 1);
    }

    /// Returns how a peer was let in, if that is kept.
    pub(crate) fn of(&self, number: WayNumber) -> Option<Arc<WayIn>> {
        self.entry(number).map(|(way, _)| Arc::clone(way))
    }

    /// Notes that a peer stays that has been judged again. Returns the number that it has now.
    pub(crate) fn stay(&mut self, number: WayNumber, way: &WayIn, sign_in: &SignIn) -> WayNumber {
        let sign_in = sign_in.to_keep();
        if sign_in == way.sign_in {
            return number;
        }
        let changed = WayIn { head: way.head.clone(), sign_in };
        let new = self.enter_as(&changed);
        self.leave(number);
        new
    }

    fn entry(&self, number: WayNumber) -> Option<&(Arc<WayIn>, u32)> {
        let place = usize::from(number.0.checked_sub(1)?);
        self.entries.get(place)?.as_ref()
    }

    fn entry_mut(&mut self, number: WayNumber) -> Option<&mut (Arc<WayIn>, u32)> {
        let place = usize::from(number.0.checked_sub(1)?);
        self.entries.get_mut(place)?.as_mut()
    }
}

fn bytes(way: &WayIn) -> usize {
    ENTRY_BYTES + way.head.len()
}

/// Writes the head of a handshake that has the same Host and Origin, and comes through a proxy or
/// not.
fn write_head(request: &Request<'_>, head: &mut String) {
    head.clear();
    head.push_str("GET / HTTP/1.1\r\n");
    let mut put = |name: &str, value: &str| {
        [name, value, "\r\n"].into_iter().for_each(|part| head.push_str(part));
    };
    if let Some(host) = request.host() {
        put("Host: ", host);
    }
    if let Some(origin) = request.header("Origin") {
        put("Origin: ", origin);
    }
    // What a trusted proxy has told, as the scheme, is kept with how the peer has signed in.
    if access::is_forwarded(request) {
        put("Via: ", "a proxy");
    }
    head.push_str("Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use crate::protocol::HeaderStorage;

    use super::*;

    fn enter(ways_in: &mut WaysIn, headers: &str) -> WayNumber {
        let head = format!("GET /a HTTP/1.1\r\nHost: a.example\r\n{headers}\r\n");
        let mut storage = HeaderStorage::new();
        let request = Request::parse(head.as_bytes(), &mut storage).unwrap();
        ways_in.enter(&request, &SignIn::default())
    }

    #[test]
    fn a_way_is_kept_once_as_long_as_a_peer_has_it() {
        let mut ways_in = WaysIn::default();
        let plain = enter(&mut ways_in, "");
        let page = enter(&mut ways_in, "Origin: https://a.example\r\nAuthorization: Bearer x\r\n");
        let proxied = enter(&mut ways_in, "X-Real-IP: 10.0.0.1\r\n");
        assert!(plain != page && page != proxied && plain != proxied);
        assert_eq!(enter(&mut ways_in, "User-Agent: x\r\n"), plain);
        assert_eq!(enter(&mut ways_in, "X-Real-IP: 10.0.0.2\r\n"), proxied);
        assert_eq!(enter(&mut ways_in, "X-Forwarded-Proto: https\r\n"), proxied);
        let head = &ways_in.of(page).unwrap().head;
        assert!(head.contains("\r\nOrigin: https://a.example\r\n") && !head.contains("Bearer"));
        let mut storage = HeaderStorage::new();
        let again = Request::parse(head.as_bytes(), &mut storage).unwrap();
        assert!(again.wants_websocket() && !access::is_forwarded(&again));
        ways_in.leave(plain);
        assert!(ways_in.of(plain).is_some());
        ways_in.leave(plain);
        assert_eq!(ways_in.of(plain), None);
        assert_eq!(enter(&mut ways_in, "Origin: null\r\n"), plain, "the number is free");
    }

    #[test]
    fn what_finds_no_room_is_not_kept_and_comes_and_goes_without_harm() {
        let mut ways_in = WaysIn::default();
        let long = format!("Origin: https://{}.example\r\n", "a".repeat(HEAD_BYTES_MAX));
        let none = WayNumber::default();
        assert_eq!(enter(&mut ways_in, &long), none);
        let all: Vec<_> = (0..20_000)
            .map(|page| enter(&mut ways_in, &format!("Origin: https://{page}.example\r\n")))
            .collect();
        assert!(ways_in.bytes <= BYTES_MAX && ways_in.bytes > BYTES_MAX - 1_000);
        let kept = all.iter().filter(|number| **number != none).count();
        assert!((10_000..19_000).contains(&kept), "{kept}");
        all.into_iter().for_each(|number| ways_in.leave(number));
        assert_eq!(ways_in.numbers.len(), 1, "the last one is kept");
        let plain = enter(&mut ways_in, "");
        assert_ne!(plain, none);
        assert_eq!(ways_in.numbers.len(), 1);
        assert_eq!(ways_in.bytes, bytes(&ways_in.of(plain).unwrap()));
    }

    #[test]
    fn there_are_fewer_numbers_than_two_bytes_have() {
        let entries = vec![None; usize::from(u16::MAX)];
        let mut ways_in = WaysIn { entries, ..WaysIn::default() };
        assert_eq!(enter(&mut ways_in, ""), WayNumber::default());
    }
}
