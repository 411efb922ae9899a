using Microsoft.ML.Data;

namespace Moe.MLNet;

/// <summary>The one number by which a stored mixture's text is looked up in each row.</summary>
internal sealed class StoredKey
{
    [ColumnName(LoadableMixture.KeyColumn)]
    public float Key { get; set; }
}

/// <summary>What the mapping of a stored mixture reads of a row.</summary>
internal sealed class StoredRow
{
    [ColumnName(LoadableMixture.FeatureColumn)]
    [VectorType]
    public VBuffer<float> Features { get; set; }

    [ColumnName(LoadableMixture.TextColumn)]
    public ReadOnlyMemory<char> Text { get; set; }
}

/// <summary>What it writes; of these, a model keeps those that its kind of label has.</summary>
internal sealed class StoredAnswer
{
    [ColumnName(LoadableMixture.ScoreColumn)]
    public float Score { get; set; }

    [ColumnName(LoadableMixture.ScoresColumn)]
    [VectorType]
    public VBuffer<float> Scores { get; set; }

    [ColumnName(LoadableMixture.ProbabilityColumn)]
    public float Probability { get; set; }

    [ColumnName(LoadableMixture.TruthColumn)]
    public bool Truth { get; set; }

    [ColumnName(LoadableMixture.NameColumn)]
    public ReadOnlyMemory<char> Name { get; set; }

    [ColumnName(LoadableMixture.NumberColumn)]
    public float Number { get; set; }

    [ColumnName(LoadableMixture.GatesColumn)]
    [VectorType]
    public VBuffer<float> Gates { get; set; }
}
