using static TorchSharp.torch;

namespace Moe.Training.Tests;

public sealed class EpochOrderTests
{
    private static readonly TrainerOptions Options = new() { BatchSize = 3, AccumulationSteps = 2 };

    [Fact]
    public void Each_epoch_sees_every_sample_once_in_an_order_of_its_own()
    {
        var orders = Enumerable.Range(0, 3).Select(epoch => Order(Options, epoch)).ToArray();

        orders.Should().AllSatisfy(order => order.Should().BeEquivalentTo(Enumerable.Range(0, 20)));
        orders.Select(order => string.Join(' ', order)).Should().OnlyHaveUniqueItems();
    }

    [Fact]
    public void The_order_is_a_function_of_seed_and_epoch()
    {
        Order(Options, 1).Should().Equal(Order(Options, 1));
        Order(Options with { Seed = 1 }, 1).Should().NotEqual(Order(Options, 1)).And.NotEqual(Order(Options, 2));
    }

    private static long[] Order(TrainerOptions options, int epoch)
    {
        using var scope = NewDisposeScope();
        using var order = new EpochOrder(20, options, epoch);
        return [.. Enumerable.Range(0, (int)EpochOrder.Steps(20, options)).SelectMany(step => order.Batches(step)).SelectMany(batch => batch.data<long>().ToArray())];
    }
}
