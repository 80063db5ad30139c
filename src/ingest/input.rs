//! A folder with a file per table, to be read instead of the tables' own connectors.
//!
//! `orders.ndjson`, `orders.json` (one object per line too) and `orders.csv` (with a header) feed the table `orders`. Which tables there
//! are is not known here: [`InputFolder::unused`] tells what nobody asked for.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::model::error::code;
use crate::model::{ConnectorDef, Encode, SqlError, SqlResult, TableDef};

/// Endings of files and how such files are written.
const ENDINGS: [(&str, Encode); 3] = [("ndjson", Encode::Json), ("json", Encode::Json), ("csv", Encode::Csv)];

/// The files of a folder by the tables they feed.
#[derive(Debug)]
pub struct InputFolder {
    files: BTreeMap<String, File>,
    follow: bool,
}

#[derive(Debug)]
struct File {
    path: String,
    encode: Encode,
    used: bool,
}

impl InputFolder {
    /// Looks at a folder; with `follow`, files are read on as they grow.
    ///
    /// # Errors
    /// A folder that can't be read or has no such file, two files for one table.
    pub fn open(folder: &Path, follow: bool) -> SqlResult<InputFolder> {
        let failed =
            |reason: String| SqlError::new(code::IO_ERROR, format!("input folder {}: {reason}", folder.display()));
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(|error| failed(error.to_string()))? {
            let path = entry.map_err(|error| failed(error.to_string()))?.path();
            let ending = path.extension().and_then(|ending| ending.to_str());
            let encode = ENDINGS.iter().find(|(known, _)| Some(*known) == ending).map(|(_, encode)| *encode);
            let (Some(encode), Some(table)) = (encode, path.file_stem().and_then(|stem| stem.to_str())) else {
                continue;
            };
            let Some(text) = path.to_str() else { return Err(failed(format!("{} is no text", path.display()))) };
            let file = File { path: text.to_string(), encode, used: false };
            if let Some(other) = files.insert(table.to_string(), file) {
                return Err(failed(format!("both {} and {text} are for table \"{table}\"", other.path)));
            }
        }
        if files.is_empty() {
            return Err(failed("no .ndjson, .json or .csv file".to_string()));
        }
        Ok(InputFolder { files, follow })
    }

    /// Points a table at its file; a table without one stays empty.
    pub fn feed(&mut self, table: &mut TableDef) {
        let Some(file) = self.files.get_mut(&table.name) else {
            table.connector = None;
            return;
        };
        file.used = true;
        let mode = if self.follow { "follow" } else { "once" };
        let mut options =
            BTreeMap::from([("path".to_string(), file.path.clone()), ("mode".to_string(), mode.to_string())]);
        // How the table's own CSV files are written is how these are.
        if let Some(own) =
            table.connector.as_ref().filter(|own| own.encode == Some(Encode::Csv) && file.encode == Encode::Csv)
        {
            let kept = own.options.iter().filter(|(key, _)| ["header", "delimiter", "null"].contains(&key.as_str()));
            options.extend(kept.map(|(key, value)| (key.clone(), value.clone())));
        }
        table.connector = Some(ConnectorDef { name: "file".to_string(), options, encode: Some(file.encode) });
    }

    /// Files that are for no table.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        self.files.values().filter(|file| !file.used).map(|file| file.path.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Schema;

    use super::*;
    use crate::model::OnConflict;

    fn table(name: &str) -> TableDef {
        let simulated = ConnectorDef { name: "simulator".to_string(), options: BTreeMap::new(), encode: None };
        TableDef {
            name: name.to_string(),
            schema: Arc::new(Schema::empty()),
            primary_key: vec![],
            version: None,
            on_conflict: OnConflict::Overwrite,
            append_only: false,
            history: None,
            connector: Some(simulated),
        }
    }

    #[test]
    fn tables_read_their_file_and_others_stay_empty() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["orders.ndjson", "refunds.csv", "notes.txt", "strangers.json"] {
            fs::write(folder.path().join(name), "").expect("writing a file");
        }
        let mut input = InputFolder::open(folder.path(), true).expect("a folder");
        let (mut orders, mut refunds, mut payments) = (table("orders"), table("refunds"), table("payments"));
        for def in [&mut orders, &mut refunds, &mut payments] {
            input.feed(def);
        }
        let orders = orders.connector.expect("a connector");
        assert_eq!(
            (orders.name.as_str(), orders.encode, orders.options["mode"].as_str()),
            ("file", Some(Encode::Json), "follow")
        );
        assert!(orders.options["path"].ends_with("orders.ndjson"));
        assert_eq!(refunds.connector.expect("a connector").encode, Some(Encode::Csv));
        assert_eq!(payments.connector, None);
        let unused: Vec<&str> = input.unused().collect();
        assert!(matches!(unused[..], [stranger] if stranger.ends_with("strangers.json")), "{unused:?}");
    }

    #[test]
    fn two_files_for_a_table_and_folders_without_any_are_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = InputFolder::open(folder.path(), false).expect_err("nothing there");
        assert!(error.message.ends_with("no .ndjson, .json or .csv file"), "{error}");
        fs::write(folder.path().join("orders.csv"), "").expect("writing a file");
        fs::write(folder.path().join("orders.json"), "").expect("writing a file");
        let error = InputFolder::open(folder.path(), false).expect_err("which one?");
        assert!(error.message.ends_with("are for table \"orders\""), "{error}");
        assert!(InputFolder::open(&folder.path().join("none"), false).is_err());
    }
}
