//! Transaction blocks: what they mean here, where every statement is applied at once.

use pgwire::messages::response::TransactionStatus;

use super::Session;
use crate::engine::Transaction;
use crate::model::{SqlError, SqlResult};
use crate::plan::statement::{Statement, StatementKind, TransactionKind};
use crate::serve::pg::report::Notice;

impl Session {
    /// Refuses whatever does not end a failed transaction.
    pub(in crate::serve::pg) fn check_transaction(&self, statement: &Statement) -> SqlResult<()> {
        let ends = matches!(
            &statement.kind,
            StatementKind::Transaction(
                TransactionKind::Commit | TransactionKind::Rollback | TransactionKind::RollbackTo(_)
            )
        );
        if self.state.transaction == Transaction::Failed && !ends {
            return Err(SqlError::new(
                "25P02",
                "current transaction is aborted, commands ignored until end of transaction block",
            ));
        }
        Ok(())
    }

    /// A statement failed: an open block takes no further ones.
    pub(in crate::serve::pg) fn failed(&mut self) {
        if self.state.transaction == Transaction::Open {
            self.state.transaction = Transaction::Failed;
        }
    }

    /// Transaction control.
    pub(super) fn transaction(&mut self, kind: &TransactionKind) -> SqlResult<String> {
        let in_block = self.state.transaction != Transaction::Idle;
        let tag = match kind {
            TransactionKind::Begin if in_block => {
                self.notices.push(Notice::warning("25001", "there is already a transaction in progress"));
                "BEGIN"
            }
            TransactionKind::Begin => {
                self.state.transaction = Transaction::Open;
                self.changed_in_transaction = false;
                self.variables.begin();
                "BEGIN"
            }
            TransactionKind::Commit | TransactionKind::Rollback if !in_block => {
                self.notices.push(Notice::warning("25P01", "there is no transaction in progress"));
                if *kind == TransactionKind::Commit { "COMMIT" } else { "ROLLBACK" }
            }
            TransactionKind::Commit if self.state.transaction == Transaction::Open => {
                self.end_transaction(true);
                "COMMIT"
            }
            TransactionKind::Commit | TransactionKind::Rollback => {
                self.end_transaction(false);
                "ROLLBACK"
            }
            TransactionKind::Savepoint(_) | TransactionKind::Release(_) | TransactionKind::RollbackTo(_)
                if !in_block =>
            {
                return Err(SqlError::new("25P01", "savepoints can only be used in transaction blocks"));
            }
            TransactionKind::Savepoint(_) => "SAVEPOINT",
            TransactionKind::Release(_) => "RELEASE",
            TransactionKind::RollbackTo(_) => {
                self.state.transaction = Transaction::Open;
                self.warn_not_undone();
                "ROLLBACK"
            }
            TransactionKind::SetModes => "SET",
        };
        Ok(tag.to_owned())
    }

    fn end_transaction(&mut self, committed: bool) {
        if !committed {
            self.warn_not_undone();
        }
        self.state.transaction = Transaction::Idle;
        self.changed_in_transaction = false;
        self.variables.finish(committed);
        self.cursors.end_transaction();
        self.portals.clear();
    }

    fn warn_not_undone(&mut self) {
        if self.changed_in_transaction {
            let message = "changes made in this transaction stay: each statement was applied when it ran";
            self.notices.push(Notice::warning("01000", message));
        }
    }

    /// A statement changed something that a rollback will not undo.
    pub(super) fn changed(&mut self) {
        self.changed_in_transaction |= self.state.transaction == Transaction::Open;
    }

    /// The end of a query's implicit transaction: what lived in it goes.
    pub(in crate::serve::pg) fn end_of_query(&mut self) {
        self.in_implicit_block = false;
        if self.state.transaction == Transaction::Idle {
            self.portals.clear();
            self.cursors.end_transaction();
        }
    }

    /// One byte of ReadyForQuery.
    pub(in crate::serve::pg) fn transaction_status(&self) -> TransactionStatus {
        match self.state.transaction {
            Transaction::Idle => TransactionStatus::Idle,
            Transaction::Open => TransactionStatus::Transaction,
            Transaction::Failed => TransactionStatus::Error,
        }
    }
}
