//! Where wire forms are written to.

/// A buffer that takes text.
pub(super) trait Out {
    fn put(&mut self, text: &str);
}

impl Out for String {
    #[inline]
    fn put(&mut self, text: &str) {
        self.push_str(text);
    }
}

impl Out for Vec<u8> {
    #[inline]
    fn put(&mut self, text: &str) {
        self.extend_from_slice(text.as_bytes());
    }
}

/// Counts bytes and keeps none.
pub(super) struct Count(pub(super) usize);

impl Out for Count {
    #[inline]
    fn put(&mut self, text: &str) {
        self.0 += text.len();
    }
}
