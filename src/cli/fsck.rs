//! `fsck`: counts everything in the backplane's store again, and says what contradicts itself.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use super::{CliError, output};
use crate::{
    backplane::{
        self, BackplaneError,
        inspection::Ledger,
        recount::{Examined, Finding, Kind, Recount as _, Recounter, Surroundings, examine},
    },
    config::{Backplane, Config, redact_url},
    domain::{clock::now, ids::OrchestratorId},
};

/// How many events one line names.
const NAMED: usize = 5;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only the queue of this orchestrator
    #[arg(long, value_name = "ID", value_parser = OrchestratorId::parse)]
    orchestrator: Option<OrchestratorId>,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let place = match &config.backplane {
        Backplane::Embedded { queue_file } => queue_file.display().to_string(),
        Backplane::Redis { url } => redact_url(url.expose()),
    };
    let report = runtime.block_on(look(config, arguments)).map_err(|error| {
        let problem = match error {
            BackplaneError::Unavailable(problem) | BackplaneError::Corrupt(problem) => problem,
        };
        CliError::Unanswered(format!("cannot look into {place}: {problem}"))
    })?;
    if arguments.json {
        output::line(&report.json().to_string())?;
    } else {
        for line in report.lines() {
            output::line(&line)?;
        }
    }
    match report.findings() {
        0 => Ok(()),
        count => Err(CliError::failed(format!("{count} findings in {place}"))),
    }
}

/// Everything that was found.
#[derive(Default)]
struct Report {
    /// What is wrong, by orchestrator.
    wrong: BTreeMap<OrchestratorId, Vec<Finding>>,
    /// How many orchestrators were looked at.
    checked: usize,
    /// Their books together.
    books: Ledger,
    stale_deliveries: u64,
    around: Surroundings,
}

async fn look(config: &Config, arguments: &Arguments) -> backplane::Result<Report> {
    let store = match &config.backplane {
        Backplane::Embedded { queue_file } => Recounter::embedded(queue_file)?,
        Backplane::Redis { url } => Recounter::redis(url.expose())?,
    };
    let subjects = match &arguments.orchestrator {
        Some(orchestrator) => std::iter::once(orchestrator.clone()).collect(),
        None => store.subjects().await?,
    };
    let mut report = Report::default();
    for orchestrator in subjects {
        let examined = examine(&store, &orchestrator).await?;
        report.add(orchestrator, examined);
    }
    report.around = store.surroundings().await?;
    Ok(report)
}

impl Report {
    fn add(&mut self, orchestrator: OrchestratorId, Examined { snapshot, findings }: Examined) {
        let (sum, books) = (&mut self.books, snapshot.books);
        sum.accepted += books.accepted;
        sum.acknowledged += books.acknowledged;
        sum.expired += books.expired;
        sum.dropped += books.dropped;
        sum.dead += books.dead;
        sum.queued += books.queued;
        self.stale_deliveries += snapshot.stale_deliveries;
        self.checked += 1;
        if !findings.is_empty() {
            self.wrong.insert(orchestrator, findings);
        }
    }

    fn findings(&self) -> usize {
        self.wrong.values().map(Vec::len).sum()
    }

    /// One line per kind of finding and orchestrator, and a summary.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (orchestrator, wrong) in &self.wrong {
            let mut kinds: BTreeMap<Kind, Vec<&Finding>> = BTreeMap::new();
            for finding in wrong {
                kinds.entry(finding.kind).or_default().push(finding);
            }
            lines.extend(kinds.iter().map(|(kind, findings)| line(orchestrator, *kind, findings)));
        }
        let Ledger { accepted, acknowledged, expired, dropped, dead, queued } = self.books;
        lines.push(format!(
            "{} orchestrators: accepted {accepted}, acknowledged {acknowledged}, expired {expired}, \
             dropped {dropped}, dead {dead}, waiting {queued}",
            self.checked
        ));
        if self.stale_deliveries > 0 {
            let count = self.stale_deliveries;
            lines.push(format!("{count} deliveries are noted of events that wait no more; that is harmless"));
        }
        if self.around.unfiled > 0 {
            lines.push(format!("{} dead letters are not in the database yet", self.around.unfiled));
        }
        if let Some(ingress) = &self.around.ingress {
            let age = ingress.oldest.map_or(0, |oldest| now().wall.since(oldest).as_secs());
            lines.push(format!("hub:ingress holds {} entries, the oldest for {age} s", ingress.length));
            let pending = ingress.pending.iter();
            lines.extend(
                pending.map(|(hub, count)| format!("hub:ingress: hub {hub} has {count} unconfirmed")),
            );
        }
        lines.push(match self.findings() {
            0 => "clean: no findings".to_owned(),
            count => format!("{count} findings"),
        });
        lines
    }

    fn json(&self) -> Value {
        let findings = self.wrong.iter().flat_map(|(orchestrator, wrong)| {
            wrong.iter().map(move |finding| {
                json!({
                    "orchestratorId": orchestrator,
                    "kind": finding.kind.word(),
                    "subject": finding.subject,
                    "detail": finding.detail,
                    "explanation": finding.kind.explanation(),
                })
            })
        });
        let Ledger { accepted, acknowledged, expired, dropped, dead, queued } = self.books;
        let ingress = self.around.ingress.as_ref().map(|ingress| {
            let pending: BTreeMap<&str, u64> =
                ingress.pending.iter().map(|(hub, count)| (hub.as_str(), *count)).collect();
            json!({ "length": ingress.length, "oldest": ingress.oldest, "pending": pending })
        });
        json!({
            "clean": self.findings() == 0,
            "findings": findings.collect::<Vec<_>>(),
            "orchestrators": self.checked,
            "books": {
                "accepted": accepted, "acknowledged": acknowledged, "expired": expired,
                "dropped": dropped, "dead": dead, "queued": queued,
            },
            "staleDeliveries": self.stale_deliveries,
            "unfiledDeadLetters": self.around.unfiled,
            "ingress": ingress,
        })
    }
}

fn line(orchestrator: &OrchestratorId, kind: Kind, findings: &[&Finding]) -> String {
    let described = findings.iter().take(NAMED).map(|finding| {
        let parts = [finding.subject.as_deref().unwrap_or_default(), &finding.detail];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    });
    let mut described = described.collect::<Vec<_>>().join(", ");
    if findings.len() > NAMED {
        described.push_str(&format!(" and {} more", findings.len() - NAMED));
    }
    format!("{orchestrator}: {}: {}: {described}", kind.word(), kind.explanation())
}
