mod cells;
mod decisions;
mod router;
mod table;
