//! The simulated world: the same for a seed, and wrong in all the ways it promises.
