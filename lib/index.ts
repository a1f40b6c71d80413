// Filled in as rooms arrive.
export {};
