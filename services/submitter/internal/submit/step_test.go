package submit

import "testing"

// Every action with every event: what is not in the table stops the worker, which is always safe.
func TestEachActionGoesOnWithTheEventsItCanHave(t *testing.T) {
	type row = map[Kind]Action
	table := map[Action]row{
		TakeLane:      {Done: Check, Waiting: Park, Unsure: Park},
		Adopt:         {Done: Look, Waiting: Park},
		SaveDoubted:   {Waiting: Park, Unsure: Park},
		Check:         {Done: Create, Covered: Stop, Unsure: Park, Refused: Park},
		Create:        {Done: SaveCreated, Unsure: Park, Refused: Park},
		SaveCreated:   {Done: Upload},
		Upload:        {Done: SaveUploaded, Unsure: Park, Refused: Park},
		SaveUploaded:  {Done: Bind},
		Bind:          {Done: Announce, Waiting: Park, Unsure: Park, TooOld: Create},
		Announce:      {Done: Close, Unsure: Park},
		Close:         {Done: SaveSubmitted, Unsure: Look, Refused: Look},
		Look:          {SeenOpen: Announce, SeenPast: SaveSubmitted, SeenNothing: SaveSubmitted, Unsure: Park},
		SaveRefused:   {Done: Abort},
		Abort:         {Done: SaveSubmitted, Unsure: Look, Refused: Look},
		SaveSubmitted: {Done: Stop},
		SaveSent:      {Done: Call, Waiting: Park, Unsure: Park, Refused: Park},
		Call:          {Done: SaveAnswer, Unsure: Park, NoEffect: SaveVoid, Refused: SaveVoid},
		SaveAnswer:    {Done: Stop, More: SaveSent},
		SaveVoid:      {Done: Park},
		SaveRest:      {Done: Stop},
		Park:          {},
		Stop:          {},
	}
	for action := TakeLane; action <= Stop; action++ {
		for kind := Broken; kind <= SeenNothing; kind++ {
			want, ok := table[action][kind]
			if !ok {
				want = Stop
			}
			got := Step(State[string]{Do: action, Job: "j"}, Event[string]{Kind: kind, Job: "new"})
			if got.Do != want {
				t.Errorf("%s came %s: goes on with %s, want %s", action, kind, got.Do, want)
			}
		}
	}
}

func TestAClaimGoesOnFromWhatIsStored(t *testing.T) {
	tests := []struct {
		name   string
		stored Stored[string]
		want   Action
	}{
		{"a fresh chunk whose rows are named by Id or by the key of an upsert is created at once", Stored[string]{Stage: StageClaimed, Straight: true}, Create},
		{"what must be asked is asked under the lane", Stored[string]{Stage: StageClaimed}, TakeLane},
		{"what was asked is not asked again", Stored[string]{Stage: StageClaimed, Checked: true}, Create},
		{"a job without a stored upload is left behind", Stored[string]{Stage: StageCreated, Job: "j", Straight: true}, Create},
		{"a job with its upload goes to the bind", Stored[string]{Stage: StageCreated, Job: "j", Uploaded: true}, Bind},
		{"a bound job is adopted", Stored[string]{Stage: StageBound, Job: "j", Uploaded: true}, Look},
		{"what is handed over is left alone", Stored[string]{Stage: StageSubmitted, Job: "j"}, Stop},
		{"what has ended is left alone", Stored[string]{Stage: StageReconciled, Job: "j"}, Stop},
		{"what sent nothing is left alone", Stored[string]{Stage: StageNothingSent}, Stop},
		{"a small chunk's first call is written down", Stored[string]{Stage: StageClaimed, Straight: true, Collects: true}, SaveSent},
		{"a small chunk that must be asked about is asked about under the lane", Stored[string]{Stage: StageClaimed, Collects: true}, TakeLane},
		{"a small chunk that was asked about is called for", Stored[string]{Stage: StageClaimed, Checked: true, Collects: true}, SaveSent},
		{"what was sent without an answer is called for again", Stored[string]{Stage: StageSent}, SaveSent},
		{"behind too many calls without an answer what is left is let go of", Stored[string]{Stage: StageSent, Silent: true}, SaveRest},
		{"what was bound before the ledger was restored is bound again", Stored[string]{Stage: StageClaimed, Job: "", Adopts: true, Straight: true}, Adopt},
		{"so is what has another job meanwhile", Stored[string]{Stage: StageCreated, Uploaded: true, Adopts: true, Doubted: true}, Adopt},
		{"what may have been sent before the ledger was restored is not sent", Stored[string]{Stage: StageClaimed, Straight: true, Doubted: true}, SaveDoubted},
		{"nor is its job bound", Stored[string]{Stage: StageCreated, Uploaded: true, Doubted: true}, SaveDoubted},
		{"nor is it called for", Stored[string]{Stage: StageSent, Doubted: true}, SaveDoubted},
		{"what is bound goes on whatever was forgotten", Stored[string]{Stage: StageBound, Job: "j", Doubted: true, Adopts: true}, Look},
		{"what was answered is left alone, in doubt too", Stored[string]{Stage: StageSent, Answered: true, Doubted: true}, Stop},
		{"what was answered is left alone", Stored[string]{Stage: StageSent, Answered: true}, Stop},
		{"a stage that nobody knows is left alone", Stored[string]{Stage: "?"}, Stop},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Step(State[string]{}, Event[string]{Kind: Claimed, Stored: tt.stored})
			if got.Do != tt.want || got.Job != tt.stored.Job && got.Do != Stop && got.Do != Create {
				t.Errorf("goes on with %s of job %q, want %s", got.Do, got.Job, tt.want)
			}
		})
	}
	for kind := Broken; kind <= SeenNothing; kind++ {
		if kind == Claimed {
			continue
		}
		if got := Step(State[string]{}, Event[string]{Kind: kind}); got.Do != Stop {
			t.Errorf("without a claim %s goes on with %s", kind, got.Do)
		}
	}
}

func TestARefusedCallIsFollowedByAJobOrByTheEnd(t *testing.T) {
	tests := []struct {
		name string
		s    State[string]
		kind Kind
		want Action
	}{
		{"the first call of a chunk is void when it is refused", State[string]{Do: Call}, Refused, SaveVoid},
		{"then the chunk goes by a job", State[string]{Do: SaveVoid, Refused: true}, Done, Create},
		{"a call behind others ends what is sent", State[string]{Do: Call, Begun: true}, Refused, SaveRest},
		{"a call behind others that had no effect is made again later", State[string]{Do: Call, Begun: true}, NoEffect, SaveVoid},
		{"what was asked under the lane is called for", State[string]{Do: Check, Collects: true}, Done, SaveSent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Step(tt.s, Event[string]{Kind: tt.kind}); got.Do != tt.want {
				t.Errorf("goes on with %s, want %s", got.Do, tt.want)
			}
		})
	}
}

func TestAnOpenJobIsClosedAgainOrAborted(t *testing.T) {
	tests := []struct {
		name string
		s    State[string]
		want Action
	}{
		{"an adopted job is announced before it is closed", State[string]{}, Announce},
		{"an announced one is closed", State[string]{Announced: true}, Close},
		{"one whose close was tried waits", State[string]{Announced: true, CloseTried: true}, Park},
		{"a refusal is stored first", State[string]{Announced: true, CloseTried: true, Refused: true}, SaveRefused},
		{"a stored refusal leads to the abort", State[string]{Refused: true, RefusedSaved: true}, Abort},
		{"an abort that was tried waits", State[string]{Refused: true, RefusedSaved: true, AbortTried: true}, Park},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.s.Do, tt.s.Job = Look, "j"
			if got := Step(tt.s, Event[string]{Kind: SeenOpen}); got.Do != tt.want || got.Job != "j" {
				t.Errorf("goes on with %s of job %q, want %s of j", got.Do, got.Job, tt.want)
			}
		})
	}
}

func TestWordsAreKnownForEveryActionAndKind(t *testing.T) {
	seen := map[string]bool{}
	for a := Claim; a <= Stop; a++ {
		seen[a.String()] = true
	}
	for k := Broken; k <= SeenNothing; k++ {
		seen[k.String()] = true
	}
	if len(seen) != int(Stop)+int(SeenNothing)+2 || seen["unknown"] {
		t.Errorf("words are missing or doubled: %v", seen)
	}
	if Action(99).String() != "unknown" || Kind(99).String() != "unknown" {
		t.Error("what has no word is not called unknown")
	}
}
