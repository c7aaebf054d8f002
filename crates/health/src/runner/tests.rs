mod caps;
pub(super) mod fake;
mod health;
mod lag;
mod load;
mod set;
