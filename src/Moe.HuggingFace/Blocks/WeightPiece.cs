using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>One matrix or vector in a published tensor, and the part of a block's parameter that it is.</summary>
/// <param name="First">The first of its numbers, counted in the published tensor. They lie one after the other.</param>
/// <param name="Shape">As published: one or two dimensions.</param>
/// <param name="Form">How it lies.</param>
/// <param name="Parameter">The parameter's name in the layer's state.</param>
/// <param name="Expert">Its place in a stack; null where the parameter is no stack.</param>
/// <param name="FirstRow">The first row of the parameter, or of the expert's part of it.</param>
/// <param name="Rows">How many rows.</param>
internal sealed record WeightPiece(long First, long[] Shape, WeightForm Form, string Parameter, int? Expert, long FirstRow, long Rows)
{
    public long Count => Shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>The shape of the rows of the parameter.</summary>
    public long[] OwnShape => Form.HasFlag(WeightForm.Transposed) ? [Shape[1], Shape[0]] : Form.HasFlag(WeightForm.OneRow) ? [Shape[1]] : Shape;

    /// <summary>Whether the numbers lie in the order of the parameter's.</summary>
    public bool IsInOrder => (Form & (WeightForm.Transposed | WeightForm.Interleaved)) == 0;

    /// <summary>The part of the parameter, as a view; contiguous if the parameter is.</summary>
    public Tensor Of(Tensor parameter)
    {
        var own = Expert is { } index ? parameter.select(0, index) : parameter;
        return own.narrow(0, FirstRow, Rows);
    }

    /// <summary>What corresponds to what, as pairs of views of equal shape: copied one way it is loaded, copied the other way it is written.</summary>
    /// <param name="published">Of <see cref="Shape"/>.</param>
    /// <param name="parameter">All of the parameter.</param>
    public IEnumerable<(Tensor Published, Tensor Own)> Pairs(Tensor published, Tensor parameter)
    {
        var own = Of(parameter);
        var theirs = Form.HasFlag(WeightForm.Transposed) ? published.transpose(0, 1) : Form.HasFlag(WeightForm.OneRow) ? published.view(-1) : published;
        if (!Form.HasFlag(WeightForm.Interleaved))
            return [(theirs, own)];
        var half = Rows / 2;
        return [(theirs.slice(0, 0, Rows, 2), own.narrow(0, 0, half)), (theirs.slice(0, 1, Rows, 2), own.narrow(0, half, half))];
    }
}
