use super::*;

#[test]
fn reads_the_example_of_rfc_9112_section_3_2_1() {
    let mut storage = HeaderStorage::new();
    let head = b"GET /where?q=now HTTP/1.1\r\nHost: www.example.org\r\n\r\n";
    let request = Request::parse(head, &mut storage).unwrap();
    assert_eq!(request.method(), "GET");
    assert_eq!((request.path(), request.query()), ("/where", Some("q=now")));
    assert_eq!(request.host(), Some("www.example.org"));
    assert!(request.is_http_11() && request.keep_alive() && !request.wants_websocket());
}
