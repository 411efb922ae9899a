using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>All ways for a stack to answer give the same answers and gradients.</summary>
public sealed class StackProductsTests
{
    private static readonly Dictionary<string, Func<ScalarType, StackedExperts>> Stacks = new()
    {
        ["linear"] = type => StackedExperts.Linear(4, 8, 12, dtype: type),
        ["linear without bias"] = type => StackedExperts.Linear(4, 8, 16, bias: false, dtype: type),
        ["feed-forward"] = type => StackedExperts.FeedForward(4, new() { InputWidth = 8, HiddenWidth = 16 }, dtype: type),
        ["gated"] = type => StackedExperts.GatedFeedForward(4, new() { InputWidth = 8, HiddenWidth = 16, Activation = Activation.Gelu }, dtype: type),
        ["gated with unit and biases"] = type =>
            StackedExperts.GatedFeedForward(4, new() { InputWidth = 8, HiddenWidth = 16, Unit = GatedUnit.GptOss, Bias = true }, dtype: type),
    };

    private static readonly long[][] Loads = [[3, 5, 1, 2], [4, 4, 4, 4], [0, 7, 0, 1], [0, 0, 9, 0]];

    public static TheoryData<string, int> Cases
    {
        get
        {
            var cases = new TheoryData<string, int>();
            foreach (var stack in Stacks.Keys)
                for (var load = 0; load < Loads.Length; load++)
                    cases.Add(stack, load);
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Padded_products_agree_with_segments(string name, int load)
    {
        SameAsSegments(PaddedProducts.Instance, name, load, ScalarType.Float64, 1e-13);
        SameAsSegments(PaddedProducts.Instance, name, load, ScalarType.Float32, 1e-5);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Grouped_products_agree_with_segments(string name, int load)
    {
        using var scope = NewDisposeScope();
        using var stack = Stacks[name](ScalarType.Float32);
        if (name.Contains("without", StringComparison.Ordinal) || name == "gated")
        {
            GroupedProducts.Takes(stack, empty(1, 8)).Should().BeTrue();
            SameAsSegments(GroupedProducts.Instance, name, load, ScalarType.Float32, 1e-5);
            SameAsSegments(GroupedProducts.Instance, name, load, ScalarType.BFloat16, 0.05);
        }
        else
        {
            GroupedProducts.Takes(stack, empty(1, 8)).Should().BeFalse("it has biases");
        }
    }

    [Fact]
    public void Grouped_products_take_no_Float64_and_no_odd_widths()
    {
        using var wide = StackedExperts.Linear(2, 8, 8, bias: false, dtype: ScalarType.Float64);
        using var odd = StackedExperts.Linear(2, 8, 7, bias: false);
        using var rows = empty(1, 8);
        using var doubles = empty(1, 8, dtype: ScalarType.Float64);
        GroupedProducts.Takes(wide, doubles).Should().BeFalse();
        GroupedProducts.Takes(odd, rows).Should().BeFalse();
    }

    [Fact]
    public void Even_loads_of_few_rows_go_as_one_batch_and_others_one_by_one()
    {
        using var stack = StackedExperts.Linear(4, 8, 8);
        For(4, 4, 4, 4).Should().Be("padded");
        For(4, 5, 3, 4).Should().Be("padded");
        For(16, 0, 0, 0).Should().Be("segments");
        For(500, 500, 500, 500).Should().Be("segments");

        string For(params long[] counts)
        {
            using var rows = empty(counts.Sum(), 8);
            return StackProducts.For(stack, rows, counts).Name;
        }
    }

    [Fact]
    public void A_gradient_that_is_one_number_goes_through_grouped_products()
    {
        using var scope = NewDisposeScope();
        using var stack = StackedExperts.Linear(2, 8, 8, bias: false);
        GroupedProducts.Instance.Answer(stack, rand(4, 8), [1, 3]).sum().backward();
        stack.get_parameter("weight")!.grad!.isfinite().all().item<bool>().Should().BeTrue();
    }

    private static void SameAsSegments(StackProducts products, string name, int load, ScalarType type, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var stack = Make.Filled(Stacks[name](type), seed: load + 1);
        var counts = Loads[load];
        var x = Make.Normal(load + 7, type, counts.Sum(), 8);

        Compare.Close(products.Answer(stack, x, counts), SegmentProducts.Instance.Answer(stack, x, counts), tolerance, "the answers");
        Make.SameGradients(
            Make.Gradients(stack, x, rows => products.Answer(stack, rows, counts)),
            Make.Gradients(stack, x, rows => SegmentProducts.Instance.Answer(stack, rows, counts)),
            tolerance * 10);
    }
}
