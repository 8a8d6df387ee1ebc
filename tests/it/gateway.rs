//! What stands between the program and the API, or breaks an answer on its way: nothing is lost, and nothing is believed
//! that the API has not said.

use fake_linkup::{Author, Fault, FaultRule, Form};

use crate::binary::{FakeApi, HOUR, Home, Process, START, assert_complete, assert_sound, server};

#[test]
fn an_item_that_is_no_json_keeps_no_other_message_out_and_comes_to_rest() {
    for version in ["v1", "v2"] {
        let mut server = server(&[("Ada Example", 29)]);
        let mailbox = &mut server.account_mut(0).unwrap().mailbox;
        let text = "NaN is a number, too";
        mailbox.send(0, Author::Other(0), START + 100 * HOUR, text).unwrap();
        let api = FakeApi::serve(server);
        let home = Home::of(&api, version);
        api.server().faults.add(FaultRule::always(Fault::NotJson));
        let report = home.sync();
        assert_eq!(report["new_messages"], 29, "{report}");
        let kept: Vec<String> = home.sql("SELECT json FROM quarantine");
        assert!(
            !kept.is_empty() && kept.iter().all(|json| json.contains(r#""weight":NaN,"text":"NaN is"#)),
            "{kept:?}"
        );
        assert_eq!(home.sql::<String>("SELECT DISTINCT reason FROM quarantine"), ["not JSON"]);
        // In v2 the server counts 30: that doubt is worked off elsewhere.
        if version == "v1" {
            let spent: Vec<_> = (0..3).map(|_| home.sync()["credits_spent"].clone()).collect();
            assert_eq!(spent, [1, 1, 1], "it does not come to rest");
        }
        assert_sound(&home, api.charged());
        api.server().faults.clear();
        home.sync();
        assert_complete(&home, &api.server());
    }
}

#[test]
fn a_day_never_costs_more_than_its_cap_when_a_gateway_answers_after_the_api_has_charged() {
    for version in ["v1", "v2"] {
        for status in [502, 503, 504, 520, 524] {
            let api = FakeApi::serve(server(&[("Ada Example", 300)]));
            let mut home = Home::of(&api, version);
            home.env("ARCHIVER_BUDGET__CREDITS_PER_DAY", "20");
            api.server().faults.add(FaultRule::always(Fault::Gateway(status)));
            for _ in 0..8 {
                home.run(&["sync", "--once"]);
            }
            let booked = home.count("SELECT sum(ifnull(credits_spent, credits_reserved)) FROM request");
            assert!(
                api.charged() > 0 && api.charged() <= booked,
                "{status}: {booked} booked, {} charged",
                api.charged()
            );
            assert!(booked <= 20, "{status}: {booked}");
            assert_sound(&home, api.charged());
        }
    }
}

#[test]
fn the_block_page_of_a_cdn_ends_no_session_and_the_next_run_goes_on() {
    for version in ["v1", "v2"] {
        for status in [401, 403] {
            for form in [Form::Html, Form::Text, Form::Empty] {
                let api = FakeApi::serve(server(&[("Ada Example", 12)]));
                let home = Home::of(&api, version);
                api.server().faults.add(FaultRule::always(Fault::Block(status, form)));
                home.run(&["sync", "--once"]).expect(69);
                assert_eq!(home.count("SELECT count(*) FROM alert"), 0, "{version} {status} {form:?}");
                api.server().faults.clear();
                home.sync_until_complete();
                assert_complete(&home, &api.server());
            }
        }
    }
}

#[test]
fn a_list_of_millions_in_a_few_kilobytes_is_refused_in_little_memory_for_what_was_set_aside() {
    for version in ["v1", "v2"] {
        let api = FakeApi::serve(server(&[("Ada Example", 12)]));
        let home = Home::of(&api, version);
        api.server().faults.add(FaultRule::always(Fault::Flood));
        // In KiB of addresses, of which the program takes most for itself.
        let mut command = home.archiver_after("ulimit -v 300000", &["sync", "--once"]);
        let ran = Process::start(&mut command).finish().expect(69);
        assert!(ran.stderr.contains("larger than any honest answer"), "{ran:?}");
        let over =
            "SELECT count(*) FROM request WHERE ifnull(credits_spent, credits_reserved) > credits_reserved";
        assert_eq!(home.count(over), 0);
        assert_eq!(home.count("SELECT count(*) FROM quarantine"), 0);
        api.server().faults.clear();
        home.sync_until_complete();
        assert_complete(&home, &api.server());
    }
}

#[test]
fn what_another_program_spends_with_the_same_key_is_not_taken_for_the_price() {
    let api = FakeApi::serve(server(&[
        ("Ada Example", 12),
        ("Ben Sample", 12),
        ("Cleo Muster", 12),
        ("Dan Muster", 12),
    ]));
    let home = Home::of(&api, "v1");
    // Of the first page, 5 credits are reserved and 2 charged: the other program makes it look like 5.
    let (shared, mut spent) = (api.shared(), false);
    api.at_each_request(move || {
        let mut server = shared.lock().unwrap();
        if !spent && server.meter.charged() == 2 {
            server.meter.balance -= 3;
            spent = true;
        }
    });
    home.sync_until_complete();
    api.at_no_request();
    assert!(api.charged() < 12, "{}", api.charged());
    assert_eq!(home.count("SELECT sum(credits_spent) FROM request"), api.charged());
    assert_sound(&home, api.charged());
}
