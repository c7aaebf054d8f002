mod caps;
mod fake;
mod health;
mod lag;
mod load;
mod set;
