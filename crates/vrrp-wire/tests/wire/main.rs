//! The codec against what peers send, what the standards say, and what nobody should.

#[cfg(test)]
mod ah;
#[cfg(test)]
mod captures;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod support;
#[cfg(test)]
mod trailer;
#[cfg(test)]
mod types;
