use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};

/// The error of a stock that cannot be read.
pub type StockError = rusqlite::Error;

/// The error for an article that is out of stock.
#[derive(Debug)]
pub(super) struct SoldOut {
    pub(super) sku: String,
}

impl fmt::Display for SoldOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no {} left", self.sku)
    }
}

impl std::error::Error for SoldOut {}

/// An article and how many there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The article's number.
    pub sku: String,
    /// What it is called.
    pub name: String,
    /// How many are in stock.
    pub quantity: u32,
}

/// The stock, in a database.
#[derive(Debug)]
pub struct Stock {
    connection: Mutex<Connection>,
}

/// What is in stock when the shop opens.
const OPENING_STOCK: [(&str, &str, u32); 4] = [
    ("teapot", "Teapot, short and stout", 4),
    ("cup", "Cup with a handle", 27),
    ("kettle", "Kettle", 0),
    ("strainer", "Tea strainer", 112),
];

impl Stock {
    /// Opens the database in a file, or a new one in memory, and adds the articles that it does not have.
    ///
    /// # Errors
    ///
    /// A file that is not a database, or cannot be written.
    pub fn open(file: Option<&Path>) -> Result<Self, StockError> {
        let mut connection = match file {
            Some(file) => Connection::open(file)?,
            None => Connection::open_in_memory()?,
        };
        let transaction = connection.transaction()?;
        transaction.execute_batch(
            "CREATE TABLE IF NOT EXISTS stock (
                 sku TEXT PRIMARY KEY,
                 name TEXT NOT NULL,
                 quantity INTEGER NOT NULL CHECK (quantity >= 0)
             ) STRICT",
        )?;
        for (sku, name, quantity) in OPENING_STOCK {
            transaction.execute(
                "INSERT OR IGNORE INTO stock (sku, name, quantity) VALUES (?1, ?2, ?3)",
                params![sku, name, quantity],
            )?;
        }
        transaction.commit()?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Returns all articles, ordered by name.
    ///
    /// # Errors
    ///
    /// The database has become unreadable.
    pub fn all(&self) -> Result<Vec<Item>, StockError> {
        let connection = self.connection();
        let mut query =
            connection.prepare_cached("SELECT sku, name, quantity FROM stock ORDER BY name")?;
        query.query_map([], item)?.collect()
    }

    /// Returns the article with this number.
    ///
    /// # Errors
    ///
    /// The database has become unreadable.
    pub fn find(&self, sku: &str) -> Result<Option<Item>, StockError> {
        let connection = self.connection();
        let mut query =
            connection.prepare_cached("SELECT sku, name, quantity FROM stock WHERE sku = ?1")?;
        query.query_row([sku], item).optional()
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn item(row: &Row<'_>) -> Result<Item, StockError> {
    Ok(Item { sku: row.get(0)?, name: row.get(1)?, quantity: row.get(2)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn articles_are_found_by_number() {
        let stock = Stock::open(None).unwrap();
        assert_eq!(stock.all().unwrap().len(), OPENING_STOCK.len());
        assert_eq!(stock.find("cup").unwrap().unwrap().quantity, 27);
        assert_eq!(stock.find("' OR 1=1 --").unwrap(), None);
    }
}
