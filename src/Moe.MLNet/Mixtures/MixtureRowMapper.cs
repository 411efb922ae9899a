using Microsoft.ML;
using Microsoft.ML.Data;

namespace Moe.MLNet;

/// <summary>A mixture as a mapper of single rows.</summary>
internal sealed class MixtureRowMapper(MixtureColumns columns) : IRowToRowMapper
{
    public DataViewSchema InputSchema => columns.Input;

    public DataViewSchema OutputSchema => columns.Output;

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns) => columns.Needed(dependingColumns);

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(activeColumns);
        return ReferenceEquals(input.Schema, columns.Input)
            ? new MixtureRow(columns, input, activeColumns)
            : throw new ArgumentException("The row is of another schema than the mapper.", nameof(input));
    }
}
