//! The trace headers of a request, as received.

use super::{Extractor, Field};

/// A copy of the trace headers of a request, made before this service's position replaces them.
#[derive(Debug)]
pub(crate) struct ReceivedHeaders(Vec<(Field, Vec<u8>)>);

impl ReceivedHeaders {
    pub(crate) fn copy<E: Extractor + ?Sized>(carrier: &E) -> Self {
        let fields = Field::ALL.iter().copied();
        let lines = fields.flat_map(|field| carrier.extract(field).map(move |line| (field, line)));
        Self(lines.map(|(field, line)| (field, line.to_vec())).collect())
    }
}

impl Extractor for ReceivedHeaders {
    fn extract(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter(move |(known, _)| *known == field).map(|(_, line)| &**line)
    }
}
