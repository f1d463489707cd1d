package bulk

// QueryInfo is the reply to a GET of a query job. It has neither failed rows nor an error message: Salesforce documents
// none, for a job that is Failed either.
type QueryInfo struct {
	ListInfo
	NumberRecordsProcessed int64 `json:"numberRecordsProcessed"`
	Retries                int   `json:"retries"`
	TotalProcessingTime    int64 `json:"totalProcessingTime"` // milliseconds
	IsPKChunkingSupported  bool  `json:"isPkChunkingSupported"`
}

// short, and all views below: the caller holds mu.
func (q *QueryJob) short() ShortInfo {
	return ShortInfo{
		ID: q.ID, Operation: q.Spec.Operation, Object: q.object.Name, CreatedByID: q.Spec.User, CreatedDate: stamp(q.created),
		SystemModstamp: stamp(q.modified), State: q.state, ConcurrencyMode: "Parallel", ContentType: "CSV", APIVersion: version(q.Spec.Version),
	}
}

func (q *QueryJob) createInfo() CreateInfo {
	return CreateInfo{ShortInfo: q.short(), LineEnding: q.Spec.LineEnding, ColumnDelimiter: q.Spec.ColumnDelimiter}
}

func (q *QueryJob) listInfo() ListInfo {
	return ListInfo{ShortInfo: q.short(), JobType: V2Query, LineEnding: q.Spec.LineEnding, ColumnDelimiter: q.Spec.ColumnDelimiter}
}

func (q *QueryJob) info() QueryInfo {
	return QueryInfo{
		ListInfo: q.listInfo(), NumberRecordsProcessed: q.processed, Retries: q.retries, TotalProcessingTime: q.milliseconds(),
		IsPKChunkingSupported: q.chunking,
	}
}

func (q *QueryJob) view() View {
	return View{
		ID: q.ID, Object: q.object.Name, Operation: q.Spec.Operation, State: q.state, Gone: q.gone, CreatedAt: q.created,
		CreatedBy: q.Spec.User, History: append([]Change(nil), q.history...), Processed: q.processed, Retries: q.retries,
		ErrorMessage: q.message, Query: q.Spec.Query, ResultBytes: q.bytes,
	}
}
