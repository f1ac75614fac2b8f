use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::*;
use crate::{
    domain::envelope::{Context as Found, Published},
    store::accounts::ingress::IngressKey,
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const TEXT: &str = r#"{"id":"e","type":"a.b","orchestratorId":"vp_1","timestamp":1}"#;

fn organization(name: &str) -> OrganizationId {
    OrganizationId::parse(name).expect("an id")
}

fn rule(name: &str, policy: IngressPolicy, kid: &str) -> IngressRule {
    let keys =
        vec![IngressKey { kid: kid.to_owned(), secret: Secret::new(format!("secret of {kid}").as_str()) }];
    IngressRule { organization: organization(name), policy, keys }
}

fn rules() -> IngressRules {
    let rules = IngressRules::new(Duration::from_secs(300), &Secret::new("jwt-secret"));
    rules.replace(vec![
        rule("careful", IngressPolicy::Require, "k1"),
        rule("curious", IngressPolicy::Observe, "k2"),
        rule("easy", IngressPolicy::Off, "k3"),
    ]);
    rules
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

fn judge(home: &str, signed: Option<&Signed>, text: &str) -> Option<(SignatureFault, bool)> {
    let home = (Some(organization(home)), true);
    let finding = rules().judge(&event(text), home, signed, text.as_bytes(), NOW)?;
    Some((finding.fault, finding.refused))
}

#[test]
fn what_is_rightly_signed_passes() {
    assert_eq!(judge("careful", Some(&sign("k1", NOW, TEXT)), TEXT), None);
    let named = r#"{"id":"e","type":"a","orchestratorId":"vp_1","organizationId":"careful","timestamp":1}"#;
    assert_eq!(judge("careful", Some(&sign("k1", NOW, named)), named), None);
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
        assert_eq!(judge("careful", signed.as_ref(), text), Some((fault, true)), "{fault:?}");
    }
}

#[test]
fn the_policy_of_the_targets_organization_counts() {
    assert_eq!(judge("curious", None, TEXT), Some((SignatureFault::Unsigned, false)));
    assert_eq!(judge("easy", None, TEXT), None);
    assert_eq!(judge("unheard of", None, TEXT), None);
}

#[test]
fn while_nobody_knows_whose_it_is_the_strictest_counts() {
    let finding = rules().judge(&event(TEXT), (None, false), None, TEXT.as_bytes(), NOW);
    assert_eq!(finding, Some(Finding { fault: SignatureFault::Unsigned, refused: true }));
}

#[test]
fn only_what_is_sealed_is_trusted_where_that_matters() {
    let (rules, vp) = (rules(), OrchestratorId::parse("vp_1").expect("an id"));
    let sealed = rules.sealer().expect("there are rules").seal(&vp, &Bytes::from_static(TEXT.as_bytes()));
    let careful = organization("careful");
    assert!(rules.is_trusted(&vp, Some(&careful), &sealed));
    assert!(!rules.is_trusted(&vp, Some(&careful), TEXT.as_bytes()));
    assert!(rules.is_trusted(&vp, Some(&organization("curious")), TEXT.as_bytes()));
    rules.note_home(&vp, &careful);
    assert!(
        !rules.is_trusted(&vp, Some(&organization("easy")), TEXT.as_bytes()),
        "the directory's word counts"
    );
    rules.replace(Vec::new());
    assert!(rules.is_trusted(&vp, Some(&careful), TEXT.as_bytes()) && rules.sealer().is_none());
}
