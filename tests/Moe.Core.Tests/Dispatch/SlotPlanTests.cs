using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>How tokens travel through slots.</summary>
public sealed class SlotPlanTests
{
    [Fact]
    public void Padding_that_holds_NaN_reaches_no_slot_and_no_gradient()
    {
        using var scope = NewDisposeScope();
        using var router = new SoftRouter(new() { InputWidth = 4, ExpertCount = 3 }, dtype: ScalarType.Float64);
        using var layer = new MixtureOfExperts(router, StackedExperts.Linear(3, 4, 4, dtype: ScalarType.Float64));
        var mask = Make.Mask(1, 1, 0, 1, 0);
        var clean = Make.Normal(1, 5, 4);
        var spoilt = clean.masked_fill(mask.bitwise_not().unsqueeze(-1), double.NaN);

        Compare.SameBits(layer.ForwardWithRouting(spoilt, mask).Output, layer.ForwardWithRouting(clean, mask).Output);
        Make.SameGradients(
            Make.Gradients(layer, spoilt, x => layer.ForwardWithRouting(x, mask).Output),
            Make.Gradients(layer, clean, x => layer.ForwardWithRouting(x, mask).Output), 0);
    }
}
