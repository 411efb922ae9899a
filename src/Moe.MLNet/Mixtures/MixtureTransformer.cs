using Microsoft.ML;
using Microsoft.ML.Data;
using Moe.Core;

namespace Moe.MLNet;

/// <summary>A fitted mixture of experts as a step of an ML.NET pipeline.</summary>
/// <remarks>
/// <para>What it adds: for labels of type Single, Score. For keys, PredictedLabel (a key with the label's names) and Score (a probability for each class). For Boolean,
/// PredictedLabel, Probability (of true) and Score (its log-odds). And the gate's probabilities, if asked for.</para>
/// <para>A view answers in batches of 1024 rows, in order; a row mapper, as a prediction engine uses it, row by row. Views and rows may be read on several threads.</para>
/// <para>It is saved by <c>MLContext.Model.Save</c>, with the pipeline that it is part of; see <see cref="MLNetStorage"/> for what is read back.</para>
/// </remarks>
public sealed class MixtureTransformer : ITransformer
{
    internal MixtureTransformer(IExpert expert, LabelKind kind, ClassNames names, string featureColumn, string? gateColumn)
    {
        Scorer = new MixtureScorer(expert);
        Kind = kind;
        Names = names;
        FeatureColumn = featureColumn;
        GateColumn = gateColumn;
        if (gateColumn is not null && Scorer.Gates == 0)
            throw new ArgumentException($"The column {gateColumn} is for the gate's probabilities, but {expert.GetType().Name} does not give them (IGatedExpert).", nameof(gateColumn));
    }

    /// <summary>The fitted mixture.</summary>
    public IExpert Expert => Scorer.Expert;

    /// <summary>True: each row is answered on its own.</summary>
    public bool IsRowToRowMapper => true;

    internal MixtureScorer Scorer { get; }

    internal LabelKind Kind { get; }

    internal ClassNames Names { get; }

    internal string FeatureColumn { get; }

    internal string? GateColumn { get; }

    /// <summary>The columns of the input, and those that it adds.</summary>
    /// <exception cref="ArgumentException">The feature column is missing, or of another type or width.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => new MixtureColumns(this, inputSchema).Output;

    /// <summary>A mapper of single rows.</summary>
    /// <exception cref="ArgumentException">The feature column is missing, or of another type or width.</exception>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => new MixtureRowMapper(new MixtureColumns(this, inputSchema));

    /// <summary>The answers to a view's rows, made when they are read.</summary>
    /// <exception cref="ArgumentException">The feature column is missing, or of another type or width.</exception>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return new MixtureView(input, new MixtureColumns(this, input.Schema));
    }

    /// <summary>Writes the mixture where ML.NET saves a pipeline.</summary>
    /// <exception cref="NotSupportedException">The mixture holds an expert that cannot be stored.</exception>
    void ICanSaveModel.Save(ModelSaveContext ctx) => LoadableMixture.Of(this).Save(ctx);
}
