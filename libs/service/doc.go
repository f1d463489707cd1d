// Package service is the process shell that every service shares: configuration, logger, metrics, health, loops, ordered stop.
// It knows no domain.
//
// What always holds: configuration is read whole and checked before anything is opened, and an unknown key is an error that
// names its line; a loop never ends because a pass failed, and a panic in a pass is logged and counted, not fatal; stopping
// runs the named steps in reverse order under one deadline and may be asked for twice.
//
// Start reading at Env, RunLoops and Lifecycle.
package service
