//! The few lines of protobuf encoding that the schema answer needs: a build script cannot use the types it makes.

/// A message under construction. Default values (0, false, "") are left out, as proto3 does.
#[derive(Default)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    pub(crate) fn integer(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.varint(u64::from(field << 3));
            self.varint(value);
        }
    }

    pub(crate) fn boolean(&mut self, field: u32, value: bool) {
        self.integer(field, u64::from(value));
    }

    pub(crate) fn text(&mut self, field: u32, value: &str) {
        if !value.is_empty() {
            self.bytes(field, value.as_bytes());
        }
    }

    /// Adds a length-delimited field and returns where its content starts.
    pub(crate) fn bytes(&mut self, field: u32, value: &[u8]) -> usize {
        self.varint(u64::from((field << 3) | 2));
        self.varint(value.len() as u64);
        let start = self.0.len();
        self.0.extend_from_slice(value);
        start
    }

    fn varint(&mut self, mut value: u64) {
        loop {
            let low = (value & 0x7f) as u8;
            value >>= 7;
            if value == 0 {
                self.0.push(low);
                return;
            }
            self.0.push(low | 0x80);
        }
    }
}
