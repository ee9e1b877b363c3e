mod router;
mod table;
