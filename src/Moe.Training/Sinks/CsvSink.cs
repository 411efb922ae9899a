using System.Globalization;
using System.Text;

namespace Moe.Training;

/// <summary>Writes one row an epoch to a CSV file (RFC 4180, UTF-8, numbers in the invariant culture), with a header.</summary>
/// <remarks>
/// <para>Columns: epoch, steps, loss, task_loss, balance, for each other balance loss <c>name</c> and <c>name.lambda</c>, validation_task_loss,
/// validation_balance, <c>validation_name</c> for each of those losses, each metric by its name, for each mixture <c>name.entropy</c>, <c>name.max_over_mean</c>, <c>name.dropped_share</c>,
/// <c>name.dead_experts</c> (their number), <c>name.logit_norm</c> and <c>name.weight_margin</c>, and tokens_per_second, seconds, is_best. What an epoch has no value for is empty.</para>
/// <para>The file is written anew when a training starts, with the epochs before a resumption, so that it has each epoch once. Between
/// two epochs it is closed: it can be read while the training runs.</para>
/// </remarks>
public sealed class CsvSink : TrainerCallback
{
    private readonly List<EpochReport> _epochs = [];
    private CsvColumn[] _columns = [];

    /// <summary>Names the file.</summary>
    /// <param name="path">The file; folders that are missing are made when a training starts.</param>
    public CsvSink(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        FilePath = path;
    }

    /// <summary>The file.</summary>
    public string FilePath { get; }

    /// <inheritdoc/>
    public override void OnStarted(TrainingPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        if (Path.GetDirectoryName(Path.GetFullPath(FilePath)) is { } folder)
            Directory.CreateDirectory(folder);
        _epochs.Clear();
        _epochs.AddRange(plan.History);
        WriteAll();
    }

    /// <inheritdoc/>
    public override void OnEpoch(EpochReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        _epochs.Add(report);

        // Metrics and mixtures are known from reports only, and an epoch of skipped steps names no mixture: columns may come later.
        if (CsvColumn.Of(_epochs).Select(column => column.Name).SequenceEqual(_columns.Select(column => column.Name)))
            File.AppendAllText(FilePath, Row(report));
        else
            WriteAll();
    }

    private void WriteAll()
    {
        _columns = CsvColumn.Of(_epochs);
        var text = new StringBuilder().AppendJoin(',', _columns.Select(column => Quoted(column.Name))).Append('\n');
        foreach (var epoch in _epochs)
            text.Append(Row(epoch));
        File.WriteAllText(FilePath, text.ToString());
    }

    private string Row(EpochReport report) => string.Join(',', _columns.Select(column => Quoted(Text(column.Value(report))))) + "\n";

    private static string Text(object? value) => value switch
    {
        null => "",
        bool flag => flag ? "true" : "false",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };

    private static string Quoted(string field) =>
        field.AsSpan().IndexOfAny(",\"\r\n") < 0 ? field : $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
