package trial

// Result is what one run took. Times are seconds, sizes are bytes, everything is for the whole run unless it says otherwise.
type Result struct {
	Records          int64   `json:"records"`
	Seconds          float64 `json:"seconds"`
	RecordsPerSecond float64 `json:"records_per_second"`
	// PublishSeconds is from the first publish to the last acknowledgement, LandedInOrg from the first publish to the last row in the org.
	PublishSeconds float64 `json:"publish_seconds"`
	InOrgSeconds   float64 `json:"in_org_seconds"`
	// Full are the records of chunks that were full, without those that the org refused at first: the end of a load waits for the age of the last chunks,
	// and these do not.
	Full Flow `json:"in_full_chunks"`

	CPU CPU `json:"cpu_seconds"`
	// PostgresBy is PostgreSQL's part of CPU by whose sessions they were, or by what the process does for all.
	PostgresBy map[string]float64 `json:"cpu_seconds_postgres_by"`
	After      CPU                `json:"cpu_seconds_in_3s_after"`
	// Idle is CPU seconds for each second while nothing was published yet.
	Idle CPU `json:"cpu_seconds_per_idle_second"`
	// Elsewhere is what the machine did beside the parts: the kernel for itself, this program, and whoever disturbs. Stolen is what a hypervisor took.
	Elsewhere float64 `json:"cpu_seconds_elsewhere"`
	Stolen    float64 `json:"cpu_seconds_stolen"`
	Peak      Memory  `json:"peak_bytes"`

	Calls Calls `json:"api_calls"`
	Bytes Bytes `json:"bytes"`
	// FailedAtFirst are rows that the org refused.
	FailedAtFirst int64 `json:"failed_at_first"`
	// Chunks that were sealed: of fresh records, and of records that are sent again.
	Chunks map[string]int64 `json:"chunks"`
}

// CPU by part, in seconds.
type CPU struct {
	Services  float64 `json:"services"`
	Broker    float64 `json:"nats"`
	Postgres  float64 `json:"postgres"`
	Simulator float64 `json:"simulator"`
	Publisher float64 `json:"publisher"`
}

// Flow is how many records landed, and when the last of them had, from the first publish on.
type Flow struct {
	Records int64   `json:"records"`
	Seconds float64 `json:"seconds"`
}

// PerSecond is 0 when there were none.
func (f Flow) PerSecond() float64 {
	if f.Seconds <= 0 {
		return 0
	}
	return float64(f.Records) / f.Seconds
}

// Product is what services, broker and ledger took together.
func (c CPU) Product() float64 { return c.Services + c.Broker + c.Postgres }

// Memory by part, in bytes.
type Memory struct {
	Services  int64 `json:"services"`
	Broker    int64 `json:"nats"`
	Postgres  int64 `json:"postgres"`
	Simulator int64 `json:"simulator"`
	Publisher int64 `json:"publisher"`
}

// Calls that count against the org's daily limit.
type Calls struct {
	Total int64 `json:"total"`
	// Fresh are those about chunks of fresh records, Again those about chunks of what is sent again; Other are about no chunk.
	Fresh int64 `json:"fresh"`
	Again int64 `json:"again"`
	Other int64 `json:"other"`
	// By endpoint, as the simulator names it.
	By map[string]int64 `json:"by_endpoint"`
	// Collections are the calls of sObject Collections among them, by which small chunks go.
	Collections int64 `json:"collections"`
	// Jobs that were made, and those of them that were left for another one.
	Jobs      int64 `json:"jobs"`
	Abandoned int64 `json:"jobs_abandoned"`
}

// Bytes that were written.
type Bytes struct {
	// Published are the frames' bodies; Frames is how many.
	Published int64 `json:"published"`
	Frames    int64 `json:"frames"`
	// Ledger is by how much the database grew, WAL what was written to its log.
	Ledger int64 `json:"ledger"`
	WAL    int64 `json:"wal"`
	// Flow and DLQ are what these streams hold at the end, Records what is left of the records' stream.
	Flow    int64 `json:"flow"`
	DLQ     int64 `json:"dlq"`
	Records int64 `json:"records_left"`
	// Uploaded and Downloaded are bodies of calls about jobs, as the simulator counts them.
	Uploaded   int64 `json:"uploaded"`
	Downloaded int64 `json:"downloaded"`
}
