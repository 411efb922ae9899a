using Microsoft.ML;

namespace Moe.MLNet;

/// <summary>Arrays in memory as ML.NET reads them. Not changed while it is read; any number of cursors at once.</summary>
internal sealed class RowsView : IDataView
{
    private readonly RowColumn[] _columns;
    private readonly int _rows;
    private readonly CancellationToken _cancellation;

    /// <param name="rows">How many rows there are.</param>
    /// <param name="columns">Their columns.</param>
    /// <param name="schema">The schema of a view with the same columns: a row mapper takes only rows of the very schema that it was made for.</param>
    /// <param name="cancellation">Ends the reading.</param>
    public RowsView(int rows, IEnumerable<RowColumn> columns, DataViewSchema? schema = null, CancellationToken cancellation = default)
    {
        _columns = [.. columns];
        _rows = rows;
        _cancellation = cancellation;
        if (schema is not null)
        {
            Schema = schema;
            return;
        }
        var builder = new DataViewSchema.Builder();
        foreach (var column in _columns)
            builder.AddColumn(column.Name, column.Type);
        Schema = builder.ToSchema();
    }

    public DataViewSchema Schema { get; }

    public bool CanShuffle => true;

    public long? GetRowCount() => _rows;

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        var order = rand is null ? null : Enumerable.Range(0, _rows).ToArray();
        rand?.Shuffle(order!);
        return new RowsCursor(Schema, _columns, _rows, order, _cancellation);
    }

    /// <summary>One cursor, however many are asked for: reading memory is not worth a thread.</summary>
    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];
}
