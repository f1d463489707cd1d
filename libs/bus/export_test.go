package bus

// HolesOf is [Holes] with a bound on what is listed.
var HolesOf = holesOf
