//! Owns the stories of a backend that publishes more than once, in batches, looks into rooms and
//! ends sessions.
//! Never knows health or metrics as such.

use crate::support::{Answer, Gateway};
use serde_json::{Value, json};

fn publish(gateway: &Gateway, key: Option<&str>, body: &Value) -> Answer {
    let fields: Vec<(&str, &str)> = key.map(|key| ("Idempotency-Key", key)).into_iter().collect();
    gateway.internal().ask("POST", "/publish", &fields, &body.to_string())
}

fn batch(gateway: &Gateway, key: Option<&str>, body: &Value) -> Answer {
    let fields: Vec<(&str, &str)> = key.map(|key| ("Idempotency-Key", key)).into_iter().collect();
    gateway.internal().ask("POST", "/publish/batch", &fields, &body.to_string())
}

fn disconnect(gateway: &Gateway, body: &Value) -> Answer {
    gateway.internal().ask("POST", "/disconnect", &[], &body.to_string())
}

#[test]
fn a_publication_that_is_repeated_has_the_first_answer_and_is_delivered_once() {
    let gateway = Gateway::start();
    let mut alice = gateway.join("lobby", "alice");
    let body = json!({ "room": "lobby", "data": "once" });
    let first = publish(&gateway, Some("k-1"), &body);
    assert_eq!((first.status, first.json()["delivered"].clone()), (200, json!(1)));
    assert_eq!(first.field("idempotency-replayed"), None);
    let mut bob = gateway.join("lobby", "bob");
    let in_body = json!({ "room": "lobby", "data": "once", "idempotency_key": "k-1" });
    for again in [publish(&gateway, Some("\"k-1\""), &body), publish(&gateway, None, &in_body)] {
        assert_eq!((again.status, again.json()), (200, first.json()));
        assert_eq!(again.field("idempotency-replayed"), Some("true"));
    }
    alice.expect_text("once");
    alice.expect_nothing();
    bob.expect_nothing();
    assert!((gateway.metric("portcullis_publish_repeats_total", &[]) - 2.0).abs() < 0.1);
    assert_eq!(
        publish(&gateway, Some("k-2"), &body).json()["delivered"],
        2,
        "another key is another message"
    );
}

#[test]
fn of_100_parallel_publications_with_one_key_one_is_delivered() {
    let gateway = Gateway::start();
    let mut alice = gateway.join("lobby", "alice");
    let body = json!({ "room": "lobby", "data": "once" });
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let asked: Vec<_> =
            (0..100).map(|_| scope.spawn(|| publish(&gateway, Some("parallel"), &body))).collect();
        asked.into_iter().map(|asked| asked.join().expect("an answer")).collect()
    });
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.json()["delivered"] == 1));
    let firsts = answers.iter().filter(|answer| answer.field("idempotency-replayed").is_none()).count();
    assert_eq!(firsts, 1);
    alice.expect_text("once");
    alice.expect_nothing();
}

#[test]
fn a_key_stands_for_one_message_and_must_be_one() {
    let gateway = Gateway::start();
    let body = json!({ "room": "lobby", "data": "x" });
    assert_eq!(publish(&gateway, Some("k"), &body).status, 200);
    let other = publish(&gateway, Some("k"), &json!({ "room": "lobby", "data": "y" }));
    assert_eq!((other.status, other.json()["code"].clone()), (422, json!("idempotency_key_reused")));
    assert_eq!(other.field("content-type"), Some("application/problem+json"));
    let long = "k".repeat(129);
    for bad in ["", "a b", long.as_str()] {
        assert_eq!(publish(&gateway, Some(bad), &body).status, 400, "{bad:?}");
    }
    let differs = json!({ "room": "lobby", "data": "x", "idempotency_key": "l" });
    assert_eq!(publish(&gateway, Some("k"), &differs).status, 400);
    let twice = [("Idempotency-Key", "k"), ("Idempotency-Key", "k")];
    assert_eq!(gateway.internal().ask("POST", "/publish", &twice, &body.to_string()).status, 400);
}

#[test]
fn what_was_refused_is_not_remembered_under_its_key() {
    let gateway = Gateway::start();
    assert_eq!(publish(&gateway, Some("k"), &json!({ "room": "a b", "data": "x" })).status, 400);
    assert_eq!(publish(&gateway, Some("k"), &json!({ "room": "lobby", "data": "x" })).status, 200);
}

#[test]
fn a_batch_is_delivered_in_its_order_with_a_result_for_each() {
    let gateway = Gateway::start();
    let mut alice = gateway.join("lobby", "alice");
    let mut bob = gateway.join("kitchen", "bob");
    let messages: Vec<Value> = (0..500)
        .map(|n| json!({ "room": if n % 2 == 0 { "lobby" } else { "kitchen" }, "data": n.to_string() }))
        .chain([
            json!({ "room": "attic", "data": "nobody" }),
            json!({ "room": "lobby", "data_base64": "AP8=" }),
        ])
        .collect();
    let answer = batch(&gateway, Some("b"), &json!({ "messages": messages }));
    assert_eq!(answer.status, 200, "{answer:?}");
    let results = answer.json()["results"].clone();
    assert_eq!(results.as_array().map(Vec::len), Some(502));
    assert_eq!((&results[0]["delivered"], &results[500]["delivered"]), (&json!(1), &json!(0)));
    let again = batch(&gateway, Some("b"), &json!({ "messages": messages }));
    assert_eq!((again.json(), again.field("idempotency-replayed")), (answer.json(), Some("true")));
    for n in 0..500 {
        let ws = if n % 2 == 0 { &mut alice } else { &mut bob };
        ws.expect_text(&n.to_string());
    }
    alice.expect_binary(&[0, 255]);
    alice.expect_nothing();
    bob.expect_nothing();
}

#[test]
fn of_a_batch_with_a_fault_nothing_is_delivered_and_its_place_is_told() {
    let gateway = Gateway::with("limits.message_bytes = '1KiB'");
    let mut alice = gateway.join("lobby", "alice");
    let good = json!({ "room": "lobby", "data": "x" });
    for (bad, status) in [
        (json!({ "room": "a b", "data": "x" }), 400),
        (json!({ "room": "lobby" }), 400),
        (json!({ "room": "lobby", "data": "x".repeat(1025) }), 413),
        (json!({ "room": "lobby", "data": "x", "idempotency_key": "same" }), 400),
    ] {
        let same = json!({ "room": "lobby", "data": "x", "idempotency_key": "same" });
        let answer = batch(&gateway, None, &json!({ "messages": [good, same, bad] }));
        assert_eq!((answer.status, answer.json()["index"].clone()), (status, json!(2)), "{answer:?}");
    }
    for body in [json!([good]), json!({ "messages": good }), json!({ "messages": [1] }), json!({})] {
        assert_eq!(batch(&gateway, None, &body).status, 400, "{body}");
    }
    let too_many = vec![json!({ "room": "attic", "data": 1 }); 1001];
    assert_eq!(batch(&gateway, None, &json!({ "messages": too_many })).status, 413);
    assert_eq!(batch(&gateway, None, &json!({ "messages": too_many[..1000] })).status, 200);
    assert_eq!(batch(&gateway, None, &json!({ "messages": [] })).json(), json!({ "results": [] }));
    alice.expect_nothing();
}

#[test]
fn each_message_of_a_batch_may_have_a_key_that_holds_in_other_batches_too() {
    let gateway = Gateway::start();
    let mut alice = gateway.join("lobby", "alice");
    let message = |key: &str, data: &str| json!({ "room": "lobby", "data": data, "idempotency_key": key });
    let first = batch(&gateway, None, &json!({ "messages": [message("1", "a"), message("2", "b")] }));
    assert_eq!(first.status, 200, "{first:?}");
    let second = batch(&gateway, None, &json!({ "messages": [message("2", "b"), message("3", "c")] }));
    assert_eq!(second.json(), json!({ "results": [{ "delivered": 1 }, { "delivered": 1 }] }));
    let reused = batch(&gateway, None, &json!({ "messages": [message("4", "d"), message("3", "other")] }));
    assert_eq!((reused.status, reused.json()["index"].clone()), (422, json!(1)));
    for text in ["a", "b", "c"] {
        alice.expect_text(text);
    }
    alice.expect_nothing();
}

#[test]
fn rooms_and_their_members_are_told_page_by_page() {
    let gateway = Gateway::start();
    let mut held: Vec<_> = (0..5).map(|n| gateway.join(&format!("room:{n}"), "alice")).collect();
    held.extend((0..7).map(|n| gateway.join("room:3", &format!("guest-{n}"))));
    let get = |path: &str| {
        let answer = gateway.internal().get(path);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    let first = get("/rooms?limit=2");
    let names = |page: &Value| -> Vec<String> {
        let rooms = page["rooms"].as_array().expect("rooms");
        rooms.iter().map(|room| room["room"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(
        (names(&first), first["total"].clone()),
        (vec!["room:0".to_owned(), "room:1".to_owned()], json!(5))
    );
    let rest = get("/rooms?after=room%3A1");
    assert_eq!((names(&rest).len(), rest["next"].clone()), (3, Value::Null));
    assert_eq!(rest["rooms"][1], json!({ "room": "room:3", "members": 8 }));

    let mut seen = Vec::new();
    let mut path = "/rooms/room:3/members?limit=3".to_owned();
    loop {
        let page = get(&path);
        for member in page["members"].as_array().expect("members") {
            let id = member["connection_id"].as_str().expect("an id").to_owned();
            seen.push((id, member["subject"].as_str().expect("a subject").to_owned()));
        }
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/rooms/room%3A3/members?limit=3&after={next}");
    }
    assert!(seen.is_sorted() && seen.len() == 8, "{seen:?}");
    let mut subjects: Vec<&str> = seen.iter().map(|(_, subject)| subject.as_str()).collect();
    subjects.sort_unstable();
    assert_eq!(
        subjects,
        ["alice", "guest-0", "guest-1", "guest-2", "guest-3", "guest-4", "guest-5", "guest-6"]
    );
    assert_eq!(get("/rooms/nobody/members")["members"], json!([]));
    for bad in ["/rooms?limit=0", "/rooms?x=1", "/rooms/a%20b/members", "/rooms/a/members?after=zz"] {
        assert_eq!(gateway.internal().get(bad).status, 400, "{bad}");
    }
    assert_eq!(gateway.internal().ask("POST", "/rooms/a/members", &[], "").status, 405);
    assert_eq!(gateway.internal().get("/rooms/a/b/members").status, 404);
}

#[test]
fn a_backend_ends_sessions_by_connection_subject_or_room() {
    let gateway = Gateway::start();
    let mut anna = gateway.join("lobby", "anna");
    let mut alice = gateway.join("lobby", "alice");
    let mut kitchen = gateway.join("kitchen", "alice");
    let mut bob = gateway.join("kitchen", "bob");
    let members = gateway.internal().get("/rooms/lobby/members").json()["members"].clone();
    let of_anna = members.as_array().expect("members").iter().find(|member| member["subject"] == "anna");
    let id = of_anna.expect("anna")["connection_id"].clone();
    let by_id = disconnect(&gateway, &json!({ "connection_id": id, "reason": "authority_expired" }));
    assert_eq!(by_id.json(), json!({ "closed": 1, "code": 3000, "reason": "authority_expired" }));
    anna.expect_close(3000, "authority_expired");
    let one = disconnect(&gateway, &json!({ "subject": "alice", "room": "kitchen", "reason": "grant_gone" }));
    assert_eq!(one.json()["closed"], 1);
    kitchen.expect_close(3003, "grant_gone");
    bob.expect_nothing();
    assert_eq!(disconnect(&gateway, &json!({ "room": "kitchen" })).json()["closed"], 1);
    bob.expect_close(3003, "kicked");
    assert_eq!(disconnect(&gateway, &json!({ "subject": "alice" })).json()["closed"], 1);
    alice.expect_close(3003, "kicked");
    assert_eq!(disconnect(&gateway, &json!({ "subject": "alice" })).json()["closed"], 0);
    assert_eq!(disconnect(&gateway, &json!({})).status, 400);
}

#[test]
fn what_a_backend_asks_for_is_guarded_like_all_of_the_internal_port() {
    let gateway = Gateway::start();
    for (method, path) in
        [("POST", "/publish/batch"), ("GET", "/rooms"), ("GET", "/rooms/a/members"), ("POST", "/disconnect")]
    {
        let status = |field| gateway.internal().ask(method, path, &[field], "{}").status;
        assert_eq!(status(("Origin", "https://app.example.test")), 403, "{path}");
        assert_eq!(status(("Sec-Fetch-Site", "none")), 403, "{path}");
        assert_eq!(status(("Host", "evil.example")), 421, "{path}");
        let other = if method == "GET" { "POST" } else { "GET" };
        assert_eq!(gateway.internal().ask(other, path, &[], "").status, 405, "{path}");
    }
}
