using Microsoft.ML;
using Microsoft.ML.Data;

namespace Moe.MLNet;

/// <summary>The columns of one input schema and those that a mixture adds to them.</summary>
internal sealed class MixtureColumns
{
    private readonly int _score;
    private readonly int _label = -1;
    private readonly int _probability = -1;
    private readonly int _gates = -1;

    public MixtureColumns(MixtureTransformer mixture, DataViewSchema input)
    {
        ArgumentNullException.ThrowIfNull(input);
        Mixture = mixture;
        Input = input;
        Features = LabelledRows.Column(input, mixture.FeatureColumn);
        var width = LabelledRows.Width(Features);
        if (width != mixture.Scorer.Width)
            throw new ArgumentException($"The feature column {Features.Name} holds {Features.Type}; the mixture was fitted to {mixture.Scorer.Width} numbers a row.", nameof(input));

        var builder = new DataViewSchema.Builder();
        builder.AddColumns(input);
        var next = input.Count;
        var outputs = mixture.Scorer.Outputs;
        if (mixture.Kind == LabelKind.Key)
        {
            builder.AddColumn("PredictedLabel", new KeyDataViewType(typeof(uint), outputs), mixture.Names.ForLabel());
            _label = next++;
            builder.AddColumn("Score", new VectorDataViewType(NumberDataViewType.Single, outputs), mixture.Names.ForScores());
            _score = next++;
        }
        else
        {
            if (mixture.Kind == LabelKind.Boolean)
            {
                builder.AddColumn("PredictedLabel", BooleanDataViewType.Instance);
                _label = next++;
                builder.AddColumn("Probability", NumberDataViewType.Single);
                _probability = next++;
            }
            builder.AddColumn("Score", NumberDataViewType.Single);
            _score = next++;
        }
        if (mixture.GateColumn is { } gate)
        {
            builder.AddColumn(gate, new VectorDataViewType(NumberDataViewType.Single, mixture.Scorer.Gates));
            _gates = next;
        }
        Output = builder.ToSchema();
    }

    public MixtureTransformer Mixture { get; }

    public DataViewSchema Input { get; }

    public DataViewSchema.Column Features { get; }

    public DataViewSchema Output { get; }

    public bool IsAdded(DataViewSchema.Column column) => column.Index >= Input.Count;

    public bool IsGates(DataViewSchema.Column column) => column.Index == _gates;

    /// <summary>The input's columns that are needed for some of the output's.</summary>
    public IEnumerable<DataViewSchema.Column> Needed(IEnumerable<DataViewSchema.Column> output)
    {
        var wanted = output.ToArray();
        return wanted.Where(column => !IsAdded(column)).Select(column => Input[column.Index])
            .Concat(wanted.Any(IsAdded) ? [Features] : []).DistinctBy(column => column.Index);
    }

    /// <summary>Reads one added column from a row's answer.</summary>
    /// <param name="column">The column, of <see cref="Output"/>.</param>
    /// <param name="answer">The expert's numbers for the row where the reader is; computed when asked for.</param>
    /// <param name="gates">The gate's probabilities for it.</param>
    public ValueGetter<TValue> Getter<TValue>(DataViewSchema.Column column, Func<ReadOnlyMemory<float>> answer, Func<ReadOnlyMemory<float>> gates)
    {
        Delegate getter = column.Index switch
        {
            var index when index == _score && Mixture.Kind == LabelKind.Key => Vector(answer),
            var index when index == _score && Mixture.Kind == LabelKind.Boolean => (ValueGetter<float>)((ref float value) => value = LogOdds(answer().Span[1])),
            var index when index == _score => (ValueGetter<float>)((ref float value) => value = answer().Span[0]),
            var index when index == _probability => (ValueGetter<float>)((ref float value) => value = answer().Span[1]),
            var index when index == _label && Mixture.Kind == LabelKind.Boolean => (ValueGetter<bool>)((ref bool value) => value = answer().Span[1] > 0.5f),
            var index when index == _label => (ValueGetter<uint>)((ref uint value) => value = (uint)Best(answer().Span) + 1),
            _ => Vector(gates),
        };
        return getter as ValueGetter<TValue> ?? throw new InvalidOperationException($"Column {column.Name} holds {column.Type}, not {typeof(TValue).Name}.");
    }

    /// <summary>The place of the greatest number, the first of them.</summary>
    public static int Best(ReadOnlySpan<float> numbers)
    {
        var best = 0;
        for (var place = 1; place < numbers.Length; place++)
        {
            if (numbers[place] > numbers[best])
                best = place;
        }
        return best;
    }

    /// <summary>log(p / (1 - p)), at most 30 either way: certainty has no log-odds.</summary>
    public static float LogOdds(float probability) => (float)Math.Clamp(Math.Log(probability / (1.0 - probability)), -30, 30);

    private static ValueGetter<VBuffer<float>> Vector(Func<ReadOnlyMemory<float>> source) => (ref VBuffer<float> value) =>
    {
        var numbers = source().Span;
        var editor = VBufferEditor.Create(ref value, numbers.Length);
        numbers.CopyTo(editor.Values);
        value = editor.Commit();
    };
}
