use bytes::Bytes;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::*;
use crate::{
    domain::{
        clock::Monotonic,
        envelope::{Context as Found, Published},
    },
    store::accounts::ingress::IngressKey,
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const START: Now = Now { wall: NOW, mono: Monotonic(100_000) };
const TEXT: &str = r#"{"id":"e","type":"a.b","orchestratorId":"vp_1","timestamp":1}"#;

fn organization(name: &str) -> OrganizationId {
    OrganizationId::parse(name).expect("an id")
}

fn rule(name: &str, policy: IngressPolicy, kid: &str) -> IngressRule {
    let keys =
        vec![IngressKey { kid: kid.to_owned(), secret: Secret::new(format!("secret of {kid}").as_str()) }];
    IngressRule { organization: organization(name), policy, keys }
}

/// The rules as a hub finds them that has just started.
fn rules() -> IngressRules {
    let rules = IngressRules::new(Duration::from_secs(300), &Secret::new("jwt-secret"));
    rules.replace(all(), START);
    rules
}

fn all() -> Vec<IngressRule> {
    vec![
        rule("careful", IngressPolicy::Require, "k1"),
        rule("curious", IngressPolicy::Observe, "k2"),
        rule("easy", IngressPolicy::Off, "k3"),
    ]
}

fn certain(name: Option<&str>) -> Owner {
    Owner { organization: name.map(organization), is_certain: true }
}

fn vp(name: &str) -> OrchestratorId {
    OrchestratorId::parse(name).expect("an id")
}

fn event(text: &str) -> Event {
    Published::parse(&Bytes::copy_from_slice(text.as_bytes()), &Found::default(), NOW)
        .expect("an event")
        .event
}

fn sign(kid: &str, at: Timestamp, text: &str) -> Signed {
    let mut mac = Hmac::<Sha256>::new_from_slice(format!("secret of {kid}").as_bytes()).expect("a key");
    mac.update(format!("neolith-hub-ingress-v1\n{}\n{text}", at.0).as_bytes());
    let code = hex::encode(mac.finalize().into_bytes());
    Signed::new(kid, &format!("t={},v1={code}", at.0)).expect("short")
}

fn judge(owner: &str, signed: Option<&Signed>, text: &str) -> (Proof, Option<(SignatureFault, bool)>) {
    let owner = certain(Some(owner));
    let (proof, finding) = rules().judge(&event(text), &owner, signed, text.as_bytes(), NOW);
    (proof, finding.map(|finding| (finding.fault, finding.refused)))
}

fn by(name: &str) -> Proof {
    Proof::Organization(organization(name))
}

#[test]
fn what_is_rightly_signed_passes_in_the_name_of_its_signer() {
    assert_eq!(judge("careful", Some(&sign("k1", NOW, TEXT)), TEXT), (by("careful"), None));
    let named = r#"{"id":"e","type":"a","orchestratorId":"vp_1","organizationId":"careful","timestamp":1}"#;
    assert_eq!(judge("careful", Some(&sign("k1", NOW, named)), named), (by("careful"), None));
    assert_eq!(judge("easy", Some(&sign("k3", NOW, TEXT)), TEXT), (by("easy"), None), "before one must, too");
}

#[test]
fn every_fault_has_its_name() {
    let late = sign("k1", Timestamp(NOW.0 - 300_001), TEXT);
    let foreign = r#"{"id":"e","type":"a","orchestratorId":"vp_1","organizationId":"easy","timestamp":1}"#;
    let unknown = Signed::new("k9", &sign("k1", NOW, TEXT).signature).expect("short");
    let cases = [
        (None, TEXT, SignatureFault::Unsigned),
        (Some(sign("k1", NOW, "another text")), TEXT, SignatureFault::BadSignature),
        (Signed::new("k1", "no signature"), TEXT, SignatureFault::BadSignature),
        (Some(late), TEXT, SignatureFault::Expired),
        (Some(unknown), TEXT, SignatureFault::UnknownKey),
        (Some(sign("k2", NOW, TEXT)), TEXT, SignatureFault::WrongOrganization),
        (Some(sign("k1", NOW, foreign)), foreign, SignatureFault::WrongOrganization),
    ];
    for (signed, text, fault) in cases {
        assert_eq!(judge("careful", signed.as_ref(), text), (Proof::None, Some((fault, true))), "{fault:?}");
    }
}

#[test]
fn the_policy_of_the_targets_organization_counts() {
    let counted = (Proof::None, Some((SignatureFault::Unsigned, false)));
    assert_eq!(judge("curious", None, TEXT), counted);
    assert_eq!(judge("easy", None, TEXT), (Proof::None, None));
    assert_eq!(judge("easy", Some(&sign("k1", NOW, TEXT)), TEXT), (Proof::None, None), "nobody looks");
    assert_eq!(judge("unheard_of", None, TEXT), (Proof::None, None));
}

#[test]
fn what_is_nobodys_is_its_signers_and_what_is_unknown_is_the_strictests() {
    let (rules, text, signed) = (rules(), TEXT.as_bytes(), sign("k1", NOW, TEXT));
    let judge = |owner: &Owner, signed| rules.judge(&event(TEXT), owner, signed, text, NOW);
    assert_eq!(judge(&certain(None), Some(&signed)), (by("careful"), None));
    assert_eq!(judge(&certain(None), None), (Proof::None, None));
    let unknown = Owner { organization: None, is_certain: false };
    let refused = |fault| (Proof::None, Some(Finding { fault, refused: true }));
    assert_eq!(judge(&unknown, None), refused(SignatureFault::Unsigned));
    assert_eq!(judge(&unknown, Some(&signed)), refused(SignatureFault::WrongOrganization));
}

#[test]
fn only_what_is_sealed_is_trusted_where_that_matters() {
    let rules = rules();
    let trust =
        |name: Option<&str>, event: &Event| rules.trust(&vp("vp_1"), &certain(name), &event.body, START);
    let open = event(TEXT);
    assert_eq!(trust(Some("careful"), &open), Trust::No);
    assert_eq!((trust(Some("curious"), &open), trust(None, &open)), (Trust::Yes, Trust::Yes));
    for (proof, careful) in [
        (Proof::None, Trust::No),
        (Proof::Hub, Trust::Yes),
        (by("careful"), Trust::Yes),
        (by("easy"), Trust::No),
    ] {
        let mut sealed = open.clone();
        assert!(rules.seal(&mut sealed, &proof));
        assert_eq!(trust(Some("careful"), &sealed), careful, "{proof:?}");
    }
    let unknown = Owner { organization: None, is_certain: false };
    assert_eq!(rules.trust(&vp("vp_1"), &unknown, &open.body, START), Trust::Undecided);
    rules.replace(Vec::new(), START);
    let trusted = rules.trust(&vp("vp_1"), &certain(Some("careful")), &open.body, START);
    assert_eq!(trusted, Trust::Yes, "nobody asks any more");
}

#[test]
fn what_other_hubs_have_not_sealed_yet_is_trusted_for_a_moment() {
    let rules = IngressRules::new(Duration::from_secs(300), &Secret::new("jwt-secret"));
    rules.replace(Vec::new(), START);
    rules.replace(all(), START);
    let after = |seconds| Now { mono: START.mono.plus(Duration::from_secs(seconds)), ..START };
    let trust = |now| rules.trust(&vp("vp_1"), &certain(Some("careful")), TEXT.as_bytes(), now);
    assert_eq!((trust(after(9)), trust(after(10))), (Trust::Yes, Trust::No));
    rules.replace(all(), after(10));
    assert_eq!(trust(after(10)), Trust::No, "once");
}

#[test]
fn nothing_is_sealed_where_nobody_has_a_rule() {
    let rules = rules();
    let seal = |orchestrator: &str| {
        let mut event = event(&TEXT.replace("vp_1", orchestrator));
        let before = event.body.len();
        assert!(rules.seal(&mut event, &Proof::Hub));
        event.body.len() > before
    };
    rules.note_home(&vp("vp_easy"), Some(&organization("easy")));
    rules.note_home(&vp("vp_other"), Some(&organization("unheard_of")));
    rules.note_home(&vp("vp_nobodys"), None);
    assert!(seal("vp_easy") && seal("vp_nobodys") && seal("vp_never_asked"));
    assert!(!seal("vp_other") && !seal("hub_canary_1"));
    rules.replace(Vec::new(), START);
    assert!(!seal("vp_easy"));
}

#[test]
fn while_nobody_knows_the_rules_everything_is_taken_and_sealed() {
    let rules = IngressRules::new(Duration::from_secs(300), &Secret::new("jwt-secret"));
    let mut event = event(TEXT);
    assert!(rules.seal(&mut event, &Proof::Hub) && event.body.len() > TEXT.len());
    assert_eq!(rules.trust(&vp("vp_1"), &certain(None), TEXT.as_bytes(), START), Trust::Yes);
    assert!(!rules.are_known() && !rules.are_active());
}

#[test]
fn the_directory_has_the_first_word_about_a_queue_and_the_reader_the_second() {
    let rules = rules();
    let owner = |reader: Option<&str>| {
        rules.owner_of_queue(&vp("vp_1"), reader.map(organization).as_ref(), || Some(organization("named")))
    };
    assert_eq!(owner(None), Owner { organization: Some(organization("named")), is_certain: false });
    assert!(
        rules.needs_home(&vp("vp_1"), None) && !rules.needs_home(&vp("vp_1"), Some(&organization("easy")))
    );
    assert_eq!(owner(Some("easy")), certain(Some("easy")));
    rules.note_home(&vp("vp_1"), None);
    assert_eq!((owner(None), owner(Some("easy"))), (certain(Some("named")), certain(Some("easy"))));
    rules.note_home(&vp("vp_1"), Some(&organization("careful")));
    assert_eq!((owner(None), owner(Some("easy"))), (certain(Some("careful")), certain(Some("careful"))));
    assert!(!rules.needs_home(&vp("vp_1"), None));
}
