//! A naive parser of HTTP requests, with which the tests compare the real one. It works line by
//! line on copied text, by the grammar of RFC 9112 and RFC 9110 as far as this server accepts it.
//! It imports nothing, so that the fuzz target can use it too. It does not tell which error a
//! refused request has.

/// What was read from a request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct NaiveRequest {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) host: Option<String>,
    pub(super) http_11: bool,
    pub(super) keep_alive: bool,
    pub(super) body_bytes: usize,
    pub(super) expects_continue: bool,
    pub(super) wants_websocket: bool,
    pub(super) headers: Vec<(String, Vec<u8>)>,
}

/// Parses a whole request head. Returns `None` if it must be refused.
pub(super) fn parse(head: &[u8], headers_max: usize) -> Option<NaiveRequest> {
    // Each byte becomes the character of its number, because values may have any bytes above 127.
    let head: String = head.iter().copied().map(char::from).collect();
    let head = head.strip_prefix("\r\n").unwrap_or(&head);
    let head = head.strip_suffix("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let mut request = NaiveRequest::default();

    let words: Vec<&str> = lines.next()?.split(' ').collect();
    let [method, target, version] = words[..] else { return None };
    if !is_token(method) {
        return None;
    }
    request.method = method.to_owned();
    request.http_11 = match version {
        "HTTP/1.1" => true,
        "HTTP/1.0" => false,
        _ => return None,
    };

    for line in lines {
        let (name, value) = line.split_once(':')?;
        if !is_token(name)
            || value.chars().any(|character| character.is_ascii_control() && character != '\t')
        {
            return None;
        }
        let value = value.trim_matches([' ', '\t']);
        request.headers.push((name.to_owned(), bytes(value)));
    }
    if request.headers.len() > headers_max {
        return None;
    }
    let all = |wanted: &str| -> Vec<String> {
        let is_wanted = |(name, _): &&(String, Vec<u8>)| name.to_lowercase() == wanted;
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap_or("\u{fffd}".into());
        request.headers.iter().filter(is_wanted).map(|(_, value)| text(value)).collect()
    };
    let lists = |wanted: &str, token: &str| {
        all(wanted)
            .join(",")
            .split(',')
            .any(|element| element.trim_matches([' ', '\t']).to_ascii_lowercase() == token)
    };

    for single in [
        "host",
        "content-length",
        "origin",
        "authorization",
        "content-type",
        "expect",
        "sec-websocket-key",
        "sec-websocket-version",
    ] {
        if all(single).len() > 1 {
            return None;
        }
    }
    for (name, _) in &request.headers {
        let letters: String =
            name.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
        let framing = ["contentlength", "transferencoding"].contains(&letters.as_str());
        if framing
            && !["content-length", "transfer-encoding"].contains(&name.to_lowercase().as_str())
        {
            return None;
        }
    }
    if !all("transfer-encoding").is_empty() {
        return None;
    }
    request.body_bytes = match all("content-length").pop() {
        None => 0,
        Some(value) if value.is_empty() || value.chars().any(|c| !c.is_ascii_digit()) => {
            return None;
        }
        Some(value) => value.chars().fold(0_usize, |number, digit| {
            number.saturating_mul(10).saturating_add(digit as usize - '0' as usize)
        }),
    };
    request.expects_continue = match all("expect").pop() {
        Some(_) if !request.http_11 => false,
        Some(value) if value.eq_ignore_ascii_case("100-continue") => true,
        Some(_) => return None,
        None => false,
    };
    let close = lists("connection", "close");
    request.keep_alive = !close && (request.http_11 || lists("connection", "keep-alive"));
    request.wants_websocket = request.http_11 && lists("upgrade", "websocket");

    let target = String::from_utf8(bytes(target)).ok()?;
    let (authority, origin) = split_target(&target)?;
    request.host = all("host").pop();
    if request.http_11 && request.host.is_none() {
        return None;
    }
    if request.host.as_deref().is_some_and(|host| !is_host(host)) {
        return None;
    }
    if let Some(authority) = authority {
        match &request.host {
            Some(host) if !host.eq_ignore_ascii_case(&authority) => return None,
            Some(_) => {}
            None => request.host = Some(authority),
        }
    }
    request.path = origin.split('?').next().map(str::to_owned)?;
    request.query = origin.find('?').map(|at| origin[at + 1..].to_owned());
    if request.path.is_empty() {
        request.path.push('/');
    }
    Some(request)
}

/// Converts a text in which each character stands for one byte back to these bytes.
fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|character| character as u8).collect()
}

fn split_target(target: &str) -> Option<(Option<String>, &str)> {
    if target.is_empty() || target.chars().any(|c| c.is_control() || c == ' ' || c == '#') {
        return None;
    }
    if target.starts_with('/') {
        return Some((None, target));
    }
    let lower = target.to_ascii_lowercase();
    let scheme = ["http://", "https://"].into_iter().find(|scheme| lower.starts_with(scheme))?;
    let rest = &target[scheme.len()..];
    let authority: String = rest.chars().take_while(|&c| c != '/' && c != '?').collect();
    if !is_host(&authority) {
        return None;
    }
    let origin = &rest[authority.len()..];
    Some((Some(authority), origin))
}

fn is_host(text: &str) -> bool {
    // What follows the last colon is a port, unless a bracket closes after it (an IPv6 address).
    let (host, port) = match (text.rfind(':'), text.rfind(']')) {
        (Some(colon), bracket) if bracket.is_none_or(|bracket| bracket < colon) => {
            (&text[..colon], &text[colon + 1..])
        }
        _ => (text, ""),
    };
    let digits = port.chars().all(|c| c.is_ascii_digit());
    if !digits
        || port.trim_start_matches('0').len() > 5
        || port.parse::<u64>().is_ok_and(|port| port > 65_535)
    {
        return false;
    }
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    !host.is_empty()
        && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._~%!$&'()*+,;=".contains(c))
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}
