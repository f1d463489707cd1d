// Package parts makes what a simulated world consists of: the app of each service on a footing in memory, and the simulator as an org behind a
// network in memory. It is the one place of the simulation that knows how the six services are put together.
//
// What always holds: an app is the one that the service's process runs, with the settings of production where nothing else is said; no part opens a
// port or reads a clock other than those that it is given. Which instances there are, when they live and what goes wrong with them is their world's.
//
// Start reading at [New] and [OpenOrg].
package parts
