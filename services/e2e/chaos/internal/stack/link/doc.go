// Package link is a TCP connection between two parts that can be made bad on purpose: a listener that hands every connection on to an
// upstream, and does to it what the conditions say that are laid upon it.
//
// What always holds: without a condition every byte is handed on unchanged, in order, with both half-closes. A condition works on the
// connections that there are and on new ones, from Apply until Lift. Conditions add up: an edge may be slow and then cut, and lifting
// one leaves the others. A connection that lost bytes to a condition is reset when the condition is lifted, so that no stream ever goes
// on with a hole in it. An upstream that does not answer resets the client, as a machine without that port would.
//
// What is left to others: which conditions there are and when; the upstream's address may change from one connection to the next.
//
// Start reading at Listen and Condition.
package link
