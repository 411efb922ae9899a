using Microsoft.ML.Data;
using Microsoft.ML.Transforms;

namespace Moe.MLNet;

/// <summary>Gives each row the key under which the mixture's text is found. ML.NET makes it when it loads a model.</summary>
[CustomMappingFactoryAttribute(Contract)]
internal sealed class StoredKeyFactory : CustomMappingFactory<NoColumns, StoredKey>
{
    public const string Contract = "Moe.MLNet.Key";

    public override Action<NoColumns, StoredKey> GetMapping() => (_, key) => key.Key = 1;
}

/// <summary>Answers rows one by one by the mixture whose text they carry. ML.NET makes it when it loads a model.</summary>
[CustomMappingFactoryAttribute(Contract)]
internal sealed class StoredMixtureFactory : CustomMappingFactory<StoredRow, StoredAnswer>
{
    public const string Contract = "Moe.MLNet.Mixture";

    private readonly Lock _reading = new();
    private Tuple<ReadOnlyMemory<char>, MixtureTransformer>? _last;

    public override Action<StoredRow, StoredAnswer> GetMapping() => (row, answer) =>
    {
        var mixture = Mixture(row.Text);
        var scorer = mixture.Scorer;
        var features = new float[scorer.Width];
        LabelledRows.Dense(row.Features, features);
        var numbers = new float[scorer.Outputs];
        var gates = new float[mixture.GateColumn is null ? 0 : scorer.Gates];
        scorer.Answer(features, 1, numbers, gates);
        answer.Gates = new VBuffer<float>(gates.Length, gates);
        switch (mixture.Kind)
        {
            case LabelKind.Number:
                answer.Score = numbers[0];
                break;
            case LabelKind.Boolean:
                answer.Score = MixtureColumns.LogOdds(numbers[1]);
                answer.Probability = numbers[1];
                answer.Truth = numbers[1] > 0.5f;
                break;
            default:
                var best = MixtureColumns.Best(numbers);
                answer.Scores = new VBuffer<float>(numbers.Length, numbers);
                answer.Name = mixture.Names.Texts?[best].AsMemory() ?? default;
                answer.Number = mixture.Names.Numbers?[best] ?? best;
                break;
        }
    };

    /// <summary>All rows of a model carry the same text in the same place: it is read once.</summary>
    private MixtureTransformer Mixture(ReadOnlyMemory<char> text)
    {
        if (Volatile.Read(ref _last) is { } last && last.Item1.Equals(text))
            return last.Item2;
        lock (_reading)
        {
            if (_last is { } other && (other.Item1.Equals(text) || other.Item1.Span.SequenceEqual(text.Span)))
                return other.Item2;
            var read = MixtureText.Read(text.Span);
            Volatile.Write(ref _last, Tuple.Create(text, read));
            return read;
        }
    }
}
