// Package world is the whole product in virtual time: the apps of all six services, two instances of each, in one testing/synctest bubble, on a
// ledger, a broker and a network in memory, with the simulator as their org. What goes in is chaos' load, and what comes out is judged by
// chaos' judge.
//
// What always holds:
//
//   - A world is made from a seed. The seed draws the load, how long every call to ledger, broker and org takes, to the nanosecond, whatever the
//     services leave to chance, and their ids: so the order in which the instances act is the seed's and not the machine's. On one processor
//     (GOMAXPROCS) equal seeds make the same calls at the same times, unless the machine interrupts a goroutine for longer than ten
//     milliseconds, or two things happen at the same nanosecond.
//   - A killed instance is gone as a process is that was killed: at one moment it is cut off from ledger, broker and org, so that nothing that
//     its goroutines still do reaches anybody, then they are waited for, and nothing of their memory is used again. The next life of the
//     instance begins with a new app.
//   - A paused instance makes no call until its pause is over: whatever it was about to do it does then.
//   - All faults end with [World.Heal].
//
// A world belongs to the bubble in which it is opened: see package bubble. Use it so: [Open], [World.Start], [World.Publish] with
// [World.Storm] beside it, [World.Heal], [World.Calm], [World.Collect], [World.Close]; or [World.Play] for all of it.
package world
