//! Databases, simulated, with perils: the effects of the table sinks pass here. A row is an effect where the inbox did
//! not have its delivery before; a write whose answer is lost has happened.

use std::collections::BTreeSet;

use acequia_core::id::DeliveryId;
use acequia_core::port::{DatabaseTokens, Entry, OutboxEvent, TableError, Tables, Unavailable};
use acequia_core::secret::Secret;
use acequia_core::table::{Cell, DatabaseAddress, Description, Layout, Row};

use super::Perilous;
use crate::history::StoryKey;
use crate::scenario::Flaw;

fn down() -> TableError {
    TableError::Later("the server is restarting (57P01)".to_owned())
}

impl Tables for Perilous {
    async fn write(&self, entry: Entry<'_>, layout: &Layout, rows: &[Row]) -> Result<u64, TableError> {
        let known: Vec<(usize, StoryKey, &DeliveryId)> =
            rows.iter().filter_map(|row| self.of_row(entry, row)).collect();
        let deadly = {
            let history = &self.0.world.lock().history;
            known.iter().map(|(event, ..)| *event).find(|event| history.kills(*event, true))
        };
        if let Some(event) = deadly {
            self.0.die(event).await;
        }
        let Some(call) = self.0.call("tables.write").await else { return Err(down()) };
        let is_out = {
            let state = &mut *self.0.world.lock();
            for (_, story, _) in &known {
                // A database that is down uses up no attempt, and neither does a row that it refuses.
                state.history.attempt(self.0.invocation(), *story, false);
            }
            known.iter().any(|(_, story, _)| state.is_out(*story))
        };
        if is_out || self.0.entry_fails(&call) {
            return Err(down());
        }
        let refused = {
            let history = &self.0.world.lock().history;
            known.iter().any(|(event, ..)| history.event(*event).is_some_and(|event| event.flaw == Flaw::Refused))
        };
        if refused {
            return Err(TableError::Refused("a check of the table refuses it (23514)".to_owned()));
        }
        let before: BTreeSet<DeliveryId> = self.0.world.tables.delivered(entry.database, &layout.table.to_string());
        let new = self.0.world.tables.write(entry, layout, rows).await?;
        {
            let history = &mut self.0.world.lock().history;
            for (event, story, delivery) in known {
                if !before.contains(delivery) {
                    history.effect(self.0.invocation(), story, event);
                }
            }
        }
        if self.0.end(&call).await { Ok(new) } else { Err(down()) }
    }

    async fn describe(&self, _: Entry<'_>, _: &Layout) -> Result<Description, TableError> {
        Err(down())
    }

    async fn waiting(&self, _: Entry<'_>, _: &Layout, _: Option<i64>, _: u16) -> Result<Vec<OutboxEvent>, TableError> {
        Err(down())
    }

    async fn settle(&self, _: Entry<'_>, _: &Layout, _: &[i64]) -> Result<(), TableError> {
        Err(down())
    }
}

impl DatabaseTokens for Perilous {
    async fn token(&self, _: &DatabaseAddress) -> Result<Secret, Unavailable> {
        Ok(Secret::new("a token"))
    }
}

impl Perilous {
    /// Whose event a row is of, and of which delivery.
    fn of_row<'r>(&self, entry: Entry<'_>, row: &'r Row) -> Option<(usize, StoryKey, &'r DeliveryId)> {
        let who = self.0.invocation();
        let history = &mut self.0.world.lock().history;
        let body = row.cells.first().cloned().flatten();
        let body = body.as_ref().map(|cell: &Cell| cell.written(true).into_owned());
        let Some(body) = body else {
            history.report(who, format_args!("a row has no event"));
            return None;
        };
        let event = history.event_of(who, entry.tenant, &body)?;
        let story = history.delivery(who, &row.delivery, event)?;
        Some((event, story, &row.delivery))
    }
}
